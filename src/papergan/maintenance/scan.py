"""What is found on the disk: looked for without following links, and remembered as it was."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PRIMARY, MODELS, REPORTING = "03_primary", "06_models", "08_reporting"
STORE, SHELF = "store", "rulers"  # shared by all experiments: images below PRIMARY, features below MODELS
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")  # as Kedro names them, so that names are in order
YOUNG_SECONDS = 3600.0  # what is younger may be in the making


@dataclass(frozen=True)
class Piece:
    """A file, or a folder that is empty when its turn comes. changed: nanoseconds; 0 for a folder, as its size."""

    path: Path
    bytes: int
    inode: int
    changed: int

    @classmethod
    def at(cls, path: Path) -> Piece:
        """As it is now. Raises OSError where there is nothing, and where a link or a device is met on the way."""
        about = path.lstat()
        if path.parent.resolve() != path.parent or not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise OSError("is reached through a link, or is no file")
        if stat.S_ISDIR(about.st_mode):
            return cls(path, 0, about.st_ino, 0)
        return cls(path, about.st_size, about.st_ino, about.st_mtime_ns)


@dataclass(frozen=True)
class Removal:
    """One thing that may go. reason: in words, in the plural. pieces: removed in this order.

    experiment: whose it is, None where it is nobody's. lock: held while it is removed.
    """

    reason: str
    pieces: tuple[Piece, ...]
    experiment: str | None = None
    lock: Path | None = None

    @property
    def bytes(self) -> int:
        """Of its files together."""
        return sum(piece.bytes for piece in self.pieces)


class Disk:
    """Looks at folders. What cannot be looked at is left alone; `faults` says so, one line each.

    now: seconds since the epoch, the present where it is None.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now
        self.faults: list[str] = []

    def files(self, folder: Path, name: re.Pattern[str]) -> list[Path]:
        """Files with such a name directly in `folder`, in order; no links."""
        return [Path(e) for e in self._entries(folder) if name.fullmatch(e.name) and e.is_file(follow_symlinks=False)]

    def folders(self, folder: Path, name: re.Pattern[str] | None = None) -> list[Path]:
        """Folders directly in `folder`, in order; no links."""
        entries = (entry for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False))
        return [Path(entry) for entry in entries if name is None or name.fullmatch(entry.name)]

    def names(self, folder: Path) -> list[str]:
        """Of everything directly in `folder`, in order."""
        return [entry.name for entry in self._entries(folder)]

    def below(self, folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
        """Files with such a name at any depth; no links."""
        for entry in self._entries(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from self.below(Path(entry), name)
            elif name.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield Path(entry)

    def is_old(self, path: Path) -> bool:
        """Whether nobody has written it within the hour. A file that is gone is not old."""
        try:
            return self.now - path.lstat().st_mtime > YOUNG_SECONDS
        except OSError:
            return False

    def removal(
        self, reason: str, *paths: Path, experiment: str | None = None, lock: Path | None = None
    ) -> Iterator[Removal]:
        """One removal of these paths in this order; none where there are none, or one of them is gone by now."""
        if not paths:
            return
        try:
            yield Removal(reason, tuple(Piece.at(path) for path in paths), experiment, lock)
        except FileNotFoundError:
            return
        except OSError as error:
            self.faults.append(f"{paths[0]}: {error.strerror or error}")

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            if folder.resolve() != folder:  # a link is on the way
                return []
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.faults.append(f"{folder}: {error.strerror or error}; left alone")
            return []


def listed(folder: Path) -> list[Path]:
    """Everything in `folder`, in order, links followed: for what is only read. Empty where there is no such folder.

    Raises OSError where it may not be looked at.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
