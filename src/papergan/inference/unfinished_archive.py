"""An incomplete archive of samples: rows on disk next to it, and a record of how many are complete."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from papergan.atomic_files import read_regular, storage_errors, write_whole
from papergan.errors import StorageError
from papergan.file_locks import take

Array = np.ndarray[Any, Any]
RowFormat = tuple[np.dtype[Any], tuple[int, ...]]  # type and shape of one row

LOCK, PROGRESS = "lock", "progress.json"


class UnfinishedArchive:
    """The folder `NAME.npz.unfinished`, one file of rows for each array, until `finish` combines them into NAME.npz.

    Rows are synced to disk before the record counts them, so counted rows are complete, whatever ended the writer. The
    next writer cuts off anything after them.
    """

    def __init__(self, target: Path, rows: Mapping[str, RowFormat]) -> None:
        """rows: the arrays of the archive by name, with the type and shape of one row."""
        self.target, self.rows = target, rows
        self.folder = target.with_name(f"{target.name}.unfinished")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays."""
        return sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in self.rows.values())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder. Raises StorageError if another one is writing."""
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock = take(self.folder / LOCK)
            except BlockingIOError:
                raise StorageError(f"another process is writing {self.target}; wait, or name another file") from None
        try:
            yield
        finally:
            if [path.name for path in self.folder.iterdir()] == [LOCK]:  # finished, or nothing written
                (self.folder / LOCK).unlink()
                self.folder.rmdir()
            lock.close()

    def count(self) -> int:
        """The number of complete rows, where writing continues. Raises StorageError if files were truncated."""
        path = self.folder / PROGRESS
        if not path.exists():
            return 0
        try:
            done = int(json.loads(read_regular(path))["rows"])
        except (ValueError, TypeError, KeyError, OSError):
            raise StorageError(f"{path} is damaged; remove {self.folder} and begin anew") from None
        for name in self.rows:
            if not self._path(name).is_file() or self._path(name).stat().st_size < done * self._bytes(name):
                raise StorageError(f"{self._path(name)} holds fewer rows than were written; remove {self.folder}")
        return done

    def append(self, parts: Mapping[str, Array], done: int) -> int:
        """Append rows after the first `done`, uint8 or int64 [B, ...] for each array; returns their new number."""
        with storage_errors(self.folder):
            for name, part in parts.items():
                with self._path(name).open("r+b" if done else "wb") as file:
                    file.truncate(done * self._bytes(name))
                    file.seek(0, os.SEEK_END)
                    file.write(np.ascontiguousarray(part).data)
                    file.flush()
                    os.fsync(file.fileno())
        done += len(next(iter(parts.values())))
        write_whole(self.folder / PROGRESS, json.dumps({"rows": done}).encode())
        return done

    def finish(self, count: int) -> Path:
        """Write the first `count` rows as the archive, atomically, and remove the folder."""
        with storage_errors(self.target, count * self.row_bytes):  # write_whole passes on a function's errors
            arrays: dict[str, Any] = {
                name: np.memmap(self._path(name), dtype, "r", shape=(count, *shape))
                for name, (dtype, shape) in self.rows.items()
            }
            write_whole(self.target, lambda file: np.savez(file, allow_pickle=False, **arrays))
        with storage_errors(self.folder):
            (self.folder / PROGRESS).unlink()  # first, since it counts the rows of the others
            for path in self.folder.iterdir():
                if path.name != LOCK:
                    path.unlink()
        return self.target

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.rows"

    def _bytes(self, name: str) -> int:
        dtype, shape = self.rows[name]
        return dtype.itemsize * int(np.prod(shape))
