"""Sounds as WAV files in a folder, with a page that plays them."""

from __future__ import annotations

from pathlib import Path

from kedro.io import DatasetError

from papergan.atomic_files import write_whole
from papergan.datasets.atomic_file import VersionedDataset, read_text
from papergan.datasets.page import HTMLPreview
from papergan.errors import StorageError
from papergan.reporting.sound_page import SoundPage, files_of

INDEX = "index.html"


class SoundPageDataset(VersionedDataset[SoundPage]):
    """A folder of WAV files and index.html, which plays them and is written last.

    Files of the previous page that this one does not have are removed.
    """

    def save(self, data: SoundPage) -> None:
        folder = Path(self._get_save_path())
        files = data.files()
        before = files_of(read_text(folder / INDEX)) if (folder / INDEX).is_file() else []
        for name, content in files.items():
            write_whole(folder / name, content)
        for name in before:
            if name not in files:
                (folder / name).unlink(missing_ok=True)
        write_whole(folder / INDEX, data.html().encode())

    def load(self) -> SoundPage:
        raise DatasetError(f"{self.path}: sounds can be heard there, not loaded; load the data they were made from")

    def preview(self) -> HTMLPreview:
        """The page, for Kedro-Viz."""
        return HTMLPreview(read_text(self.path / INDEX))

    def _check_at(self, path: Path) -> None:
        if not (path / INDEX).is_file():
            raise StorageError(f"{path} has no {INDEX}")
