"""Configuration in an archive: the `conf-papergan.tar.gz` of `kedro package`, unpacked for the time of the process."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from papergan.atomic_files import open_regular
from papergan.errors import RecipeError
from papergan.validation import one_line_error

LARGEST = 16_000_000  # bytes; configuration is text
_UNPACKED: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def folder_of(conf_source: str, base: str) -> str:
    """The folder of configuration that `--conf-source` means: itself, or what a .tar.gz has in it.

    base: the name of the folder by which the configuration in an archive is found. An address is left to Kedro.
    Raises RecipeError for a file that is no such archive, that is too large, or that has no folder `base` in it.
    """
    path = Path(conf_source)
    if not path.is_file():
        return conf_source
    place = tempfile.TemporaryDirectory(prefix="papergan-")
    _UNPACKED.append(place)
    folder = Path(place.name, path.name.partition(".")[0])  # named, for errors; .tar.gz would be an archive to Kedro
    folder.mkdir(exist_ok=True)
    try:
        _unpack(path, folder)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RecipeError(
            f"{path}: expected a folder of configuration or a .tar.gz of one, as `kedro package` writes: "
            f"{one_line_error(error)}"
        ) from error
    found = next((one for one in (folder, *sorted(folder.iterdir())) if (one / base).is_dir()), None)
    if found is None:
        raise RecipeError(f"{path}: there is no folder {base!r} of configuration in it")
    return str(found)


def _unpack(path: Path, folder: Path) -> None:
    with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
        size = 0
        for member in archive:
            size += max(member.size, 512)  # of the header, so that many empty files are many bytes too
            if size > LARGEST:
                raise tarfile.TarError(f"it holds more than {LARGEST // 1_000_000} MB")
        archive.extractall(folder, filter="data")
