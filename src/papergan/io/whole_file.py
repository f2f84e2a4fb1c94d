"""The shape of this project's versioned datasets: one file, written whole, read back strictly."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from kedro.io.core import AbstractVersionedDataset, Version, VersionNotFoundError

from papergan.files import write_whole

T = TypeVar("T")


class WholeFileDataset(AbstractVersionedDataset[T, T], Generic[T]):
    """One file, or one per version. A file that exists is complete, so Kedro's `--only-missing-outputs` is safe."""

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self.metadata = metadata

    @abstractmethod
    def _encode(self, data: T) -> bytes: ...

    @abstractmethod
    def _decode(self, content: bytes, path: Path) -> T: ...

    @property
    def path(self) -> Path:
        """The newest file there is. Raises VersionNotFoundError where there is none."""
        return Path(self._get_load_path())

    def load(self) -> T:
        return self._decode(self.path.read_bytes(), self.path)

    def save(self, data: T) -> None:
        write_whole(Path(self._get_save_path()), self._encode(data))

    def _exists(self) -> bool:
        try:
            return self.path.is_file()
        except VersionNotFoundError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}
