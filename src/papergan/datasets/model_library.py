"""The trained models in the catalog; a recipe chooses which one is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.inference.model_library import ModelLibrary


class ModelLibraryDataset(AbstractDataset[NoReturn, ModelLibrary]):
    """Loads a ModelLibrary. filepath: the folder of all experiments' models."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._library, self.metadata = ModelLibrary(Path(filepath)), metadata

    def load(self) -> ModelLibrary:
        return self._library

    def save(self, data: NoReturn) -> None:
        raise DatasetError("models are saved by the pipelines that train them")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._library.folder)}
