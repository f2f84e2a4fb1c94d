"""A copy of a folder's files at an fsspec URL, such as s3://bucket/papergan, for machines that share no disk."""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papergan.atomic_files import read_regular, write_whole
from papergan.errors import RecipeError, StorageError
from papergan.messages import quoted, sanitise, without_password

_URL = re.compile(r"[a-z][a-z0-9+]*://\S+")
_WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "memory"}
_LARGEST = 1 << 40  # bytes of an uploaded file; in practice its disk is the limit


@dataclass(frozen=True)
class RemoteCopy:
    """Files below `root`, copied one by one to and from `url`, with the same relative paths.

    Credentials are those that the protocol's package finds (for s3:// the environment variables and files of AWS).
    Every method raises StorageError if the storage does not answer or denies access.
    Raises RecipeError for a URL with a password, which would be sent to workers with the rest.
    """

    root: Path
    url: str

    def __post_init__(self) -> None:
        if (shown := without_password(self.url)) != self.url:
            variable = f"FSSPEC_{self.url.partition(':')[0].upper()}"
            raise RecipeError(
                f"{shown}: a copy's address (PAPERGAN_REMOTE) must have no password in it, which would be passed on to "
                f"workers; leave it to the protocol's package on each machine, or to fsspec: {variable}, "
                "~/.config/fsspec"
            )

    def fetch(self, path: Path) -> bool:
        """Replace the file at `path` with its copy; returns False, and changes nothing, if there is no copy."""
        with self._storage(path, "read") as (system, address):
            try:
                content: bytes = system.cat_file(address)
            except FileNotFoundError:
                return False
        write_whole(path, content)
        return True

    def send(self, path: Path) -> None:
        """Upload the file at `path`, replacing an older copy."""
        content = read_regular(path, most=_LARGEST)
        with self._storage(path, "written") as (system, address):
            self._make_folder(system, address)
            system.pipe_file(address, content)

    def send_first(self, path: Path, content: bytes) -> bool:
        """Upload the content of the file at `path`, which need not exist, unless a copy exists.

        Returns whether it did. Of two senders, only one does.
        """
        with self._storage(path, "written") as (system, address):
            self._make_folder(system, address)
            try:
                system.pipe_file(address, content, mode="create")
            except FileExistsError:
                return False
        return True

    def head(self, path: Path, size: int) -> bytes | None:
        """The first `size` bytes of the copy of a file; None if there is no copy."""
        with self._storage(path, "read") as (system, address):
            try:
                content: bytes = system.cat_file(address, start=0, end=size)
            except FileNotFoundError:
                return None
        return content

    def has(self, path: Path) -> bool:
        """Whether there is a copy of a file."""
        with self._storage(path, "looked for") as (system, address):
            system.invalidate_cache()  # other machines write there
            try:
                system.info(address)  # not `exists`, which is False where the storage does not answer
            except FileNotFoundError:
                return False
        return True

    def names(self, folder: Path) -> list[str]:
        """The names of the files in the copy of a folder, sorted; empty if there is no such copy."""
        with self._storage(folder, "listed") as (system, address):
            system.invalidate_cache()
            try:
                found: list[dict[str, Any]] = system.ls(address, detail=True)
            except FileNotFoundError:
                return []
        return sorted(posixpath.basename(one["name"]) for one in found if one["type"] == "file")

    def remove(self, path: Path) -> None:
        """Remove the copy of a file, if there is one."""
        with self._storage(path, "removed") as (system, address):
            try:
                system.rm_file(address)
            except FileNotFoundError:
                return

    def _make_folder(self, system: Any, address: str) -> None:
        """Create a file's folder if the storage has folders; on other storage this would create a bucket."""
        if self.url.partition("://")[0] not in _WITHOUT_FOLDERS:
            system.makedirs(posixpath.dirname(address), exist_ok=True)

    @contextmanager
    def _storage(self, path: Path, done: str) -> Iterator[tuple[Any, str]]:
        """The file system, and the address of a file's copy in it. done: the failed action, for the error message."""
        import fsspec

        url = "/".join((self.url.rstrip("/"), *path.relative_to(self.root).parts))
        try:
            yield fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:  # the protocol's package is missing, or there is no such protocol
            raise StorageError(f"{self.url}: {sanitise(error)}") from error
        except Exception as error:  # each protocol's package has its own exceptions; all mean the same here
            reason = sanitise(getattr(error, "strerror", None) or error) or type(error).__name__
            raise StorageError(
                f"{url}: cannot be {done} ({reason}); see to the storage and its credentials, and run again"
            ) from error


def url_from(variable: str) -> str | None:
    """The fsspec URL in an environment variable; None if it is unset or empty.

    Raises RecipeError if the value is not such a URL.
    """
    given = os.environ.get(variable, "").strip()
    if given and _URL.fullmatch(given) is None:
        raise RecipeError(
            f"{variable}={quoted(given)} is not a URL of fsspec; expected PROTOCOL://..., such as s3://bucket/folder"
        )
    return given or None


def check_remote_copy(copy: RemoteCopy) -> None:
    """Raise StorageError unless a file can be written to the storage, listed, read and removed again."""
    probe = copy.root / f".papergan-probe-{secrets.token_hex(8)}"  # unique to this process: others may probe as well
    write_whole(probe, b"papergan")
    try:
        copy.send(probe)
        if not (copy.fetch(probe) and probe.name in copy.names(probe.parent)):
            raise StorageError(f"{copy.url}: a file that was written there is not there; see to the storage")
        copy.remove(probe)
    finally:
        probe.unlink(missing_ok=True)
