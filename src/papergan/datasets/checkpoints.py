"""The checkpoint folder in the catalog, since training both reads and writes checkpoints while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.training.checkpoint import CheckpointStore


class CheckpointFolder:
    """The checkpoints of one experiment, one folder per recipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, fingerprint: str, keep: int = 2) -> CheckpointStore:
        """The store of the recipe with this fingerprint; nothing is created before the first save."""
        return CheckpointStore(self.folder, fingerprint, keep)


class CheckpointsDataset(AbstractDataset[NoReturn, CheckpointFolder]):
    """Loads a CheckpointFolder, which need not exist yet; what is in it is saved through it."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> CheckpointFolder:
        return CheckpointFolder(self._folder)

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._folder}: checkpoints are saved by the training node, not through the catalog")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
