"""Search for raw files: in the project, a configured folder, the environment, then at the publisher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from papergan.atomic_files import folder_from
from papergan.data.declarations import ParquetSplit
from papergan.data.download import download
from papergan.errors import DataError

ENVIRONMENT_VARIABLE = "PAPERGAN_DATA"


@dataclass(frozen=True)
class Sources:
    """The places where raw files may be, in the order in which they are tried.

    raw: the project's raw folder, the only one that is ever written to. directory: a folder from configuration.
    After those come the folder in the environment variable PAPERGAN_DATA and, if `allow_download`, the split's url.
    The first place that has the file decides: if that file is wrong, reading it fails; no other is substituted.
    """

    raw: Path
    directory: Path | None = None
    allow_download: bool = False

    def find(self, split: ParquetSplit, name: str) -> Path:
        """The path of the split's file, downloaded if necessary and allowed. name: for the message, "cifar10/train".

        Raises DataError that names every way to provide the file.
        """
        for folder in self._folders():
            if (folder / split.file).is_file():
                return folder / split.file
        if not self.allow_download or split.url is None:
            raise DataError(self._missing(split, name))
        try:
            download(split.url, self.raw / split.file, sha256=split.file_sha256)
        except DataError as error:
            raise DataError(f"{error}; {self._missing(split, name)}") from error
        return self.raw / split.file

    def find_path(self, path: str, name: str) -> Path:
        """The path of a folder or file of images: as given if absolute, else below a data folder.

        name: for the message. Raises DataError naming the places where it could be.
        """
        given = Path(path).expanduser()
        places = [given] if given.is_absolute() else [folder / given for folder in self._folders()]
        for place in places:
            if place.exists():
                return place
        where = ", ".join(map(str, places))
        what = f"{name}: there" if name != path else "there"
        absent = "" if given.is_absolute() else self._absent()
        raise DataError(f"{what} is no folder or file {where}{absent}")

    def _absent(self) -> str:
        """A note that the environment variable's folder does not exist, if that is so."""
        folder = folder_from(ENVIRONMENT_VARIABLE)
        if folder is None or folder.is_dir():
            return ""
        return f" (there is no folder {folder}, which {ENVIRONMENT_VARIABLE} names)"

    def find_folder(self, folder: str, name: str) -> Path:
        """The path of a folder of images. name: for the message. Raises DataError naming where it could be."""
        for place in self._folders():
            if (place / folder).is_dir():
                return place / folder
        places = ", ".join(str(place / folder) for place in self._folders())
        raise DataError(
            f"{name}: there is no folder {places}; make one, or set {ENVIRONMENT_VARIABLE} to the folder that holds it"
            f"{self._absent()}"
        )

    def _folders(self) -> list[Path]:
        """Folders to search. The variable is read every time, so a notebook can set it after import; empty is unset."""
        folders = [self.raw, self.directory, folder_from(ENVIRONMENT_VARIABLE)]
        return [folder for folder in folders if folder is not None]

    def _missing(self, split: ParquetSplit, name: str) -> str:
        places = ", ".join(str(folder) for folder in self._folders())
        if split.url is None:
            fetch = "it has no declared url to download from"
        elif self.allow_download:
            fetch = f"or download it yourself from {split.url}"
        else:
            fetch = f"or set allow_download: true (catalog entry image_library) to get it from {split.url}"
        return (
            f"{name}: {split.file!r} is in none of: {places}{self._absent()}; put it at {self.raw / split.file}, or "
            f"set {ENVIRONMENT_VARIABLE} or `directory` (catalog entry image_library) to the folder that holds it, "
            f"{fetch}"
        )
