"""The model folder of a trained generator as a Kedro dataset, one per version."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from papergan.datasets.atomic_file import VersionedDataset, read_text
from papergan.datasets.page import HTMLPreview
from papergan.inference.model_folder import CARD, StoredModel, read_model, write_model


class ModelFolderDataset(VersionedDataset[StoredModel]):
    """A folder of model.safetensors, config.json and README.md, which `papergan.load` reads without Kedro.

    Raises CheckpointError if a part is missing or damaged, even by one bit.
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


class ModelFoldersDataset(VersionedDataset[Mapping[str, StoredModel]]):
    """Model folders by name, below one folder. Folders that only an earlier run wrote are kept."""

    def load(self) -> dict[str, StoredModel]:
        return {folder.name: read_model(folder) for folder in sorted(self.path.iterdir()) if folder.is_dir()}

    def save(self, data: Mapping[str, StoredModel]) -> None:
        place = Path(self._get_save_path())
        place.mkdir(parents=True, exist_ok=True)
        for name, model in data.items():
            write_model(place / name, model)

    def _check_at(self, path: Path) -> None:
        for folder in path.iterdir():
            if folder.is_dir():
                read_model(folder)
