"""Base classes of datasets: files, written atomically and checked when read, and folders that nodes fill."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from kedro.io.core import AbstractDataset, AbstractVersionedDataset, DatasetError, Version, VersionNotFoundError

from papergan.atomic_files import DOCUMENT_BYTES, read_regular, write_whole
from papergan.data.memory import read_into_memory
from papergan.errors import MemoryShortError, PaperganError, StorageError
from papergan.remote_copy import RemoteCopy

logger = logging.getLogger(__name__)

T = TypeVar("T")


class FolderDataset(AbstractDataset[NoReturn, T], Generic[T]):
    """Loads an object that reads and writes in a folder, which need not exist yet. saved_by: for the message."""

    saved_by: ClassVar[str]

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.folder, self.metadata = Path(filepath), metadata

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self.folder}: {self.saved_by}, not through the catalog")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.folder)}


class CopiedFolderDataset(FolderDataset[T], Generic[T]):
    """A folder whose files are also copied to other storage.

    remote: the arguments of a RemoteCopy; without them or their URL, nothing is copied.
    """

    def __init__(
        self, *, filepath: str, remote: dict[str, str | None] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        root, url = (remote or {}).get("root"), (remote or {}).get("url")
        self.remote = RemoteCopy(Path(root), url) if root and url else None

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), **({} if self.remote is None else {"remote": self.remote.url})}


class VersionedDataset(AbstractVersionedDataset[T, T], Generic[T]):
    """A file or folder, or one per version.

    "Exists" means present and whole, so Kedro's `--only-missing-outputs` is safe.
    """

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self.metadata = metadata

    @abstractmethod
    def _check_at(self, path: Path) -> None:
        """Raise a PaperganError if the content at `path` is damaged."""

    @property
    def path(self) -> Path:
        """The path of the newest version. Raises VersionNotFoundError if there is none."""
        return Path(self._get_load_path())

    @property
    def later_version(self) -> str | None:
        """The newest version, if its name sorts after the version that this run saves.

        Kedro loads the newest by name: after a clock was set back, it would keep loading the older results.
        """
        mine = self.resolve_save_version()
        newest = max(self.list_versions(full_path=False), default="") if mine is not None else ""
        return newest if mine is not None and newest > mine else None

    def _exists(self) -> bool:
        try:
            path = self.path
        except VersionNotFoundError:
            return False
        return path.exists() and is_whole(path, lambda: self._check_at(path))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}


class AtomicFileDataset(VersionedDataset[T], Generic[T]):
    """One file, or one per version. most: limit of bytes to read; None = as many as fit into the available memory."""

    most: ClassVar[int | None] = None

    @abstractmethod
    def _encode(self, data: T) -> bytes: ...

    @abstractmethod
    def _decode(self, content: bytes, path: Path) -> T:
        """path: for the message. Raises a PaperganError, in one line, for content that `_encode` did not write."""

    def _check(self, content: bytes, path: Path) -> None:
        """Raise a PaperganError if the content is damaged; by default, if it cannot be decoded."""
        self._decode(content, path)

    def load(self) -> T:
        return self._decode(read_bytes(self.path, self.most), self.path)

    def save(self, data: T) -> None:
        write_whole(Path(self._get_save_path()), self._encode(data))

    def _check_at(self, path: Path) -> None:
        self._check(read_bytes(path, self.most), path)


def is_whole(path: Path, check: Callable[[], object]) -> bool:
    """Whether `check` raises no PaperganError; the reason is logged, since Kedro then regenerates the file."""
    try:
        check()
    except MemoryShortError:  # the file is not damaged
        raise
    except PaperganError as error:
        reason = str(error).removeprefix(f"{path} ").removeprefix("is damaged: ")
        logger.warning("%s is damaged and will be made again: %s", path, reason)
        return False
    return True


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Read all of a regular file. most: bytes; None = as many as fit into the available memory.

    Raises StorageError if it cannot be read, is larger, or is not a regular file; MemoryShortError if the memory does
    not suffice.
    """
    try:
        return read_into_memory(path) if most is None else read_regular(path, most=most)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read ({error.strerror or error}); repair it, or generate it again"
        ) from error


def read_text(path: Path) -> str:
    """Read a document for people; bytes that are not UTF-8 are replaced. Raises as `read_bytes` does."""
    return read_bytes(path, DOCUMENT_BYTES).decode(errors="replace")
