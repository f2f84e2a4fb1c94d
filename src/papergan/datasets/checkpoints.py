"""The checkpoint folder in the catalog, since training both reads and writes checkpoints while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from papergan.datasets.atomic_file import FolderDataset
from papergan.file_locks import RUN_LOCK
from papergan.remote_copy import RemoteCopy
from papergan.training.checkpoint import Checkpoint, CheckpointStore, take_noted
from papergan.training.checkpoint_files import CHECKPOINT, manifest_at, steps_among


class CheckpointFolder:
    """The checkpoints of one experiment, one folder per recipe. remote: where they are copied to; None = nowhere."""

    def __init__(self, folder: Path, remote: RemoteCopy | None = None) -> None:
        self.folder, self.remote = folder, remote

    def open(self, fingerprint: str, keep: int = 2) -> CheckpointStore:
        """The store of the recipe with this fingerprint; nothing is created before the first save."""
        if self.remote is None:
            return CheckpointStore(self.folder, fingerprint, keep)
        return CopiedCheckpointStore(self.folder, fingerprint, keep, self.remote)

    def reserve(self) -> IO[str]:
        """Exclude other runs of the experiment, of any recipe: their outputs are the same files.

        A lock, held until it is closed. Raises as `CheckpointStore.locked` does.
        """
        return take_noted(
            self.folder.parent / RUN_LOCK,
            "which runs this experiment; wait for it, stop it, or use another workspace: PAPERGAN_WORKSPACE=FOLDER",
        )


class CopiedCheckpointStore(CheckpointStore):
    """Checkpoints that are copied to other storage as they are saved, and fetched from it if it has newer ones."""

    def __init__(self, folder: Path, fingerprint: str, keep: int, remote: RemoteCopy) -> None:
        super().__init__(folder, fingerprint, keep)
        self.remote = remote

    def check_images(self, digest: str) -> None:
        self._fetch()
        super().check_images(digest)
        self.remote.send(self.images_note)

    def save(self, step: int, state: Mapping[str, Any], **facts: Any) -> None:
        super().save(step, state, **facts)
        here, there = self._files(path.name for path in self.folder.iterdir()), self._copies()
        for name in here:
            if name not in there or name == manifest_at(self.folder, step).name:
                self.remote.send(self.folder / name)
        for name in reversed(there):
            if name not in here:
                self.remote.remove(self.folder / name)

    def latest(self) -> Checkpoint | None:
        self._fetch()
        return super().latest()

    def clear(self) -> None:
        super().clear()
        for name in reversed(self._copies()):
            self.remote.remove(self.folder / name)

    def _fetch(self) -> None:
        """Fetch the copies if they are further along than the local checkpoints."""
        there = self._copies()
        if max(steps_among(there), default=-1) > max(self.steps(), default=-1):
            for name in there:
                self.remote.fetch(self.folder / name)

    def _copies(self) -> list[str]:
        return self._files(self.remote.names(self.folder))

    def _files(self, names: Iterable[str]) -> list[str]:
        """The names of checkpoint files among these, manifests last: a checkpoint exists once its manifest does."""
        kept = [name for name in names if CHECKPOINT.fullmatch(name) or name == self.images_note.name]
        return sorted(kept, key=lambda name: (name.endswith(".json"), name))


class CheckpointsDataset(FolderDataset[CheckpointFolder]):
    """Loads a CheckpointFolder."""

    saved_by = "checkpoints are saved by the training node"

    def load(self) -> CheckpointFolder:
        return CheckpointFolder(self.folder)
