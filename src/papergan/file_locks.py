"""File locks, which the kernel releases when their process ends, however it ends.

A lock file may lie where others can write, so it is opened without following links and without truncating it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import IO

from papergan.atomic_files import refuse_irregular
from papergan.errors import StorageError
from papergan.messages import sanitise

RUN_LOCK = "run.lock"  # held from a run's first check to its end, in the folder of what runs
_CAREFULLY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOTE = 200  # bytes of a note that are read


def take(path: Path, *, wait: bool = False) -> IO[str]:
    """Take a lock and return its file, created if missing; it is held until the file is closed or the process ends.

    wait: wait until others release it; otherwise raises BlockingIOError if another process holds it. Raises
    StorageError if there is a link or anything but a regular file in its place, which is left as it is; OSError if it
    cannot be opened.
    """
    file = _opened(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        file.close()
        raise
    return file


def is_held(path: Path) -> bool:
    """Whether a process holds this lock. Raises FileNotFoundError if there is no lock file, and what `take` raises."""
    with _opened(path, os.O_RDONLY) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two checks at once do not see each other
        except BlockingIOError:
            return True
    return False


def write_note(file: IO[str], text: str) -> None:
    """Describe the holder of the lock for others. file: as returned by `take`."""
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def read_note(path: Path) -> str:
    """The note of a lock's holder, on one line; empty if there is none."""
    with _opened(path, os.O_RDONLY) as file:
        return sanitise(file.read(_NOTE).strip())


def _opened(path: Path, flags: int) -> IO[str]:
    try:
        descriptor = os.open(path, flags | _CAREFULLY, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise StorageError(f"{path} is a link, expected a lock file of this project; remove the link") from error
    try:
        refuse_irregular(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "r" if flags == os.O_RDONLY else "r+", encoding="utf-8", errors="replace")
