"""The checkpoint folder in the catalog, since training both reads and writes checkpoints while it runs."""

from __future__ import annotations

from pathlib import Path

from papergan.datasets.atomic_file import FolderDataset
from papergan.training.checkpoint import CheckpointStore


class CheckpointFolder:
    """The checkpoints of one experiment, one folder per recipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, fingerprint: str, keep: int = 2) -> CheckpointStore:
        """The store of the recipe with this fingerprint; nothing is created before the first save."""
        return CheckpointStore(self.folder, fingerprint, keep)


class CheckpointsDataset(FolderDataset[CheckpointFolder]):
    """Loads a CheckpointFolder."""

    saved_by = "checkpoints are saved by the training node"

    def load(self) -> CheckpointFolder:
        return CheckpointFolder(self.folder)
