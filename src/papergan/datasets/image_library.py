"""The image library in the catalog; the recipe chooses which data set is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources


class ImageLibraryDataset(AbstractDataset[NoReturn, ImageLibrary]):
    """Loads an ImageLibrary.

    raw: the project's folder of raw files. decoded: where decoded copies are kept. directory: another folder to search
    for raw files. allow_download: whether files may be fetched from their declared address. datasets: declarations by
    name, see `papergan.data.declarations`.
    """

    def __init__(
        self,
        *,
        raw: str,
        decoded: str,
        datasets: dict[str, Any],
        directory: str | None = None,
        allow_download: bool = True,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._sources = Sources(Path(raw), Path(directory).expanduser() if directory else None, allow_download)
        self._decoded, self._datasets = Path(decoded), datasets
        self.metadata = metadata

    def load(self) -> ImageLibrary:
        return ImageLibrary.declared(self._datasets, self._sources, self._decoded)

    def save(self, data: NoReturn) -> None:
        raise DatasetError("the library of images is declared in the catalog; raw files are never written through it")

    def _describe(self) -> dict[str, Any]:
        return {
            "raw": str(self._sources.raw),
            "decoded": str(self._decoded),
            "datasets": sorted(map(str, self._datasets)),
        }
