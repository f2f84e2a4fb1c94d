"""The model folder of a trained generator as a Kedro dataset, one per version."""

from __future__ import annotations

from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io.core import AbstractVersionedDataset, Version, VersionNotFoundError

from papergan.datasets.atomic_file import is_whole, read_text
from papergan.datasets.page import HTMLPreview
from papergan.inference.model_folder import CARD, StoredModel, read_model, write_model


class ModelFolderDataset(AbstractVersionedDataset[StoredModel, StoredModel]):
    """A folder of model.safetensors, config.json and README.md, which `papergan.load` reads without Kedro.

    Raises CheckpointError where a part is missing or damaged, be it by one bit.
    """

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self.metadata = metadata

    @property
    def path(self) -> Path:
        """The newest folder there is. Raises VersionNotFoundError where there is none."""
        return Path(self._get_load_path())

    def load(self) -> StoredModel:
        return read_model(self.path)

    def save(self, data: StoredModel) -> None:
        write_model(Path(self._get_save_path()), data)

    def preview(self) -> HTMLPreview:
        """The model card, for Kedro-Viz."""
        return HTMLPreview(f"<pre>{escape(read_text(self.path / CARD))}</pre>")

    def _exists(self) -> bool:
        try:
            path = self.path
        except VersionNotFoundError:
            return False
        return path.is_dir() and is_whole(path, lambda: read_model(path))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}
