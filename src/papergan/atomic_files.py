"""Atomic writing (temporary file, sync, rename), and reading of regular files only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from papergan.errors import RecipeError, StorageError
from papergan.messages import quoted, sanitise

_ASIDE = ".part"
_ABANDONED_SECONDS = 3600.0
DOCUMENT_BYTES = 64 << 20  # JSON, CSV and HTML files of this project are a few megabytes at most
# Opening a pipe without a writer, or a terminal, must not block; it is rejected afterwards.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_READ = os.O_RDONLY | _AT_ONCE | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def write_whole(path: Path, content: bytes | memoryview | Callable[[IO[bytes]], Any]) -> None:
    """Write `path` atomically: readers never see a partial file, not even after a crash.

    content: the bytes, or a function that writes them into an open binary file. The file's permissions follow the
    umask, as with `open`. Temporary files that killed processes left for the same `path` are removed after
    an hour. Raises StorageError if the disk is full or the folder is read-only; exceptions from a function are passed
    on. In both cases an existing file at `path` is untouched.
    """
    size = None if callable(content) else len(content)
    with storage_errors(path, size):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_abandoned(path)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_ASIDE}")
        # Not tempfile.mkstemp: its mode is always 0600, so nobody else could read the results of a shared project.
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        file = os.fdopen(descriptor, "wb")
        try:
            if callable(content):
                content(file)
            with storage_errors(path, size):
                if not callable(content):
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
        finally:
            with storage_errors(path, size):
                file.close()  # writes the buffer, and fails again where the disk is full
        with storage_errors(path, size):
            os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    with storage_errors(path, size):
        sync_folder(path.parent)


@contextlib.contextmanager
def storage_errors(path: Path, size: int | None = None) -> Iterator[None]:
    """Convert OSErrors inside the block to StorageError. size: bytes that were to be written, if known."""
    try:
        yield
    except StorageError:  # its message is already complete
        raise
    except OSError as error:
        wanted = "" if size is None else f"; {size} bytes needed"
        raise StorageError(
            f"{path}: cannot be written ({error.strerror or error}{wanted}, {free_bytes(path)} free); "
            "free disk space or repair the folder, and run again"
        ) from error


@contextlib.contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Convert OSErrors inside the block to StorageError: for reading folders, which this user may not be allowed to."""
    try:
        yield
    except StorageError:  # its message is already complete
        raise
    except OSError as error:
        raise StorageError(f"{sanitise(path)} cannot be read: {error.strerror or error}") from error


def path_from(given: str | os.PathLike[str]) -> Path:
    """The path that a user gave, existing or not, with `~` expanded.

    Raises RecipeError for an impossible path: too long, in the home of an unknown user, or in an unreadable folder.
    """
    try:
        path = Path(given).expanduser()
        path.resolve().exists()
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a null character
        why = sanitise(getattr(error, "strerror", None) or error)
        raise RecipeError(f"{quoted(os.fspath(given))} cannot be a folder or file: {why}") from error
    return path


def check_room(path: Path, size: int, what: str) -> None:
    """Raise StorageError unless `size` bytes are free at `path`. what: what will be stored there, for the message."""
    free = free_bytes(path)
    if free is not None and free < size:
        raise StorageError(f"{path}: {what} may take {size} bytes, {free} are free; make room (`kedro clean` helps)")


def folder_from(variable: str) -> Path | None:
    """The folder that an environment variable names, existing or not; None if it is unset or empty.

    Raises RecipeError if the path or one of its parents is not a folder.
    """
    given = os.environ.get(variable, "").strip()
    if not given:
        return None
    try:
        folder = Path(given).expanduser().resolve()
        there = next(place for place in (folder, *folder.parents) if place.exists())
    except (OSError, RuntimeError, ValueError) as error:  # too long, the home of an unknown user, a null character
        why = sanitise(getattr(error, "strerror", None) or error)
        raise RecipeError(f"{variable}={quoted(given)} cannot be a folder ({why}); name one, or unset it") from error
    if not there.is_dir():
        raise RecipeError(f"{variable}={quoted(given)}: {there} is not a folder; name a folder, or unset it")
    return folder


def free_bytes(path: Path) -> int | None:
    """Free bytes at `path`, measured at its nearest existing parent folder; None if it cannot be determined."""
    for folder in path.absolute().parents:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


def _sweep_abandoned(path: Path) -> None:
    """Remove temporary files that killed writers of `path` left; a live writer's file is younger."""
    for entry in os.scandir(path.parent):
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(_ASIDE):
            with contextlib.suppress(OSError):  # another process was faster, or it is another user's
                if time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS:
                    os.unlink(entry.path)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power failure. Windows cannot open a folder, and orders renames itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_regular(path: Path, *, most: int = DOCUMENT_BYTES) -> bytes:
    """All bytes of a regular file; links to one are followed.

    most: bytes; a larger file is rejected before memory is allocated. Raises StorageError as `open_regular` does, if
    the file is larger, and if it grows meanwhile; any other OSError if it cannot be opened or read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise StorageError(
                f"{path} has {size} bytes, expected at most {most}; copy or download it again, or remove it"
            )
        content = file.read(size + 1)
    if len(content) > size:
        raise StorageError(f"{path} grew while it was read; wait until nobody writes to it")
    return content


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading. The check is made on the open file, so the file cannot be replaced meanwhile.

    Raises StorageError for anything else: a pipe would block, a device may never end. Otherwise OSError, like `open`.
    """
    descriptor = os.open(path, _READ)
    try:
        refuse_irregular(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def check_regular(path: Path) -> None:
    """Check a file that a library will open by path; raises what `open_regular` raises."""
    with open_regular(path):
        pass


def refuse_irregular(path: Path, descriptor: int) -> None:
    """Raise StorageError unless the open descriptor is a regular file. path: for the message."""
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        what = {stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder"}.get(stat.S_IFMT(mode), "a device or a socket")
        raise StorageError(f"{path} is {what}, expected a regular file; remove it, or put the file in its place")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a regular file's bytes. Raises what `open_regular` raises."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
