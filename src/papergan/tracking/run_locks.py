"""Locks of MLflow runs: the kernel releases a run's lock however its process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from papergan import file_locks


class RunLocks:
    """Locks by run id in one folder. A run of this machine whose lock is free was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, IO[str]] = {}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Exclude other processes of this machine from such a block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with file_locks.take(self.folder / "turn", wait=True):
            yield

    def acquire(self, run_id: str) -> None:
        """Hold the lock of a run until `release` or the end of the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._held[run_id] = file_locks.take(self._path(run_id))

    def release(self, run_id: str) -> None:
        """Release the lock of a run, if it is held."""
        file = self._held.pop(run_id, None)
        if file is not None:
            self._path(run_id).unlink(missing_ok=True)
            file.close()

    def is_running(self, run_id: str) -> bool:
        """Whether a process holds the lock of a run. The file of a free lock is deleted."""
        try:
            if file_locks.is_held(self._path(run_id)):
                return True
        except FileNotFoundError:
            return False
        self._path(run_id).unlink(missing_ok=True)
        return False

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.lock"
