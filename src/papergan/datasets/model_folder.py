"""The model folder of a trained generator as a Kedro dataset, one per version."""

from __future__ import annotations

from html import escape
from pathlib import Path

from papergan.datasets.atomic_file import VersionedDataset, read_text
from papergan.datasets.page import HTMLPreview
from papergan.inference.model_folder import CARD, StoredModel, read_model, write_model


class ModelFolderDataset(VersionedDataset[StoredModel]):
    """A folder of model.safetensors, config.json and README.md, which `papergan.load` reads without Kedro.

    Raises CheckpointError where a part is missing or damaged, be it by one bit.
    """

    def load(self) -> StoredModel:
        return read_model(self.path)

    def save(self, data: StoredModel) -> None:
        write_model(Path(self._get_save_path()), data)

    def preview(self) -> HTMLPreview:
        """The model card, for Kedro-Viz."""
        return HTMLPreview(f"<pre>{escape(read_text(self.path / CARD))}</pre>")

    def _check_at(self, path: Path) -> None:
        read_model(path)
