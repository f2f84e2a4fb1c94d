"""Collections of images from a folder, a zip or parquet file, or a data set of the Hugging Face Hub.

The images come in a fixed order, with their classes and splits; skipped files are counted by reason.
"""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from papergan.atomic_files import check_regular
from papergan.data.decoding import MAX_PIXELS
from papergan.data.folder import IMAGE_SUFFIXES, Listing, is_left_by_system
from papergan.data.images import Picture, Pictures
from papergan.data.own_declaration import HUB
from papergan.data.parquet import ParquetTable, parquet_pictures
from papergan.errors import DataError
from papergan.messages import quiet_libraries, quoted, sanitise

logger = logging.getLogger(__name__)

_TRAIN, _TEST = {"train", "training"}, {"test", "testing", "val", "valid", "validation"}
_MOST_BYTES = 4 * MAX_PIXELS  # of one file in a zip; an image of MAX_PIXELS pixels has no more
_NAMED = 3  # files that the summary names for each reason
REVISION = "refs/convert/parquet"  # where the Hub keeps parquet files, CONFIGURATION/SPLIT/0000.parquet
_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(rf"{HUB}({_NAME}/{_NAME})(?:/({_NAME}))?")
_INSTALL = "needs the package huggingface_hub; install papergan[hub]"


@dataclass
class Skipped:
    """The files left out of a user's images: counts and the first names, by reason.

    Its `str` is the summary, "skipped 3: 2 damaged (a.png, b.png), ...".
    """

    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, where: str) -> None:
        """Count one file, or one row of a file."""
        self.counts[why] = self.counts.get(why, 0) + 1
        known = self.names.setdefault(why, [])
        if len(known) < _NAMED:
            known.append(where)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        if not self:
            return "nothing is skipped"
        reasons = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return f"skipped {len(self)}: {', '.join(f'{count} {why} ({self._some(why)})' for why, count in reasons)}"

    def _some(self, why: str) -> str:
        more = ", ..." if self.counts[why] > len(self.names[why]) else ""
        return ", ".join(map(sanitise, self.names[why])) + more


@dataclass(frozen=True, eq=False)
class Collection:
    """Images at a path.

    where: the path, for messages. in_test: bool [N], which images form the test split; None if no splits are given.

    why_no_classes: the reason in words; "" if there are classes.
    """

    where: str
    pictures: Pictures
    in_test: np.ndarray | None = None
    skipped: Skipped = field(default_factory=Skipped)
    why_no_classes: str = ""


def collection_of(path: Path) -> Collection:
    """The images at a path. Raises DataError if there are none, or the path is of another kind."""
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".zip" and path.exists():
        return _zip(path)
    if path.suffix.lower() == ".parquet" and path.exists():
        return parquet_collection([path], str(path))
    if not path.exists():
        raise DataError(f"there is no folder or file {sanitise(path)}")
    raise DataError(f"{sanitise(path)} must be a folder of images, a .zip or a .parquet file")


def parquet_collection(paths: Sequence[Path], where: str, in_test: np.ndarray | None = None) -> Collection:
    """The rows of parquet files, see `parquet_pictures`. in_test: bool [files], as the rows' in Collection."""
    pictures = parquet_pictures(paths, empty=True)
    why = "" if pictures.classes else "no column 'label' of two integers or more"
    if in_test is not None:
        in_test = np.repeat(in_test, [ParquetTable.of(path).rows for path in paths])
    return Collection(where, pictures, in_test, why_no_classes=why)


class _Arrangement(NamedTuple):
    labels: np.ndarray
    classes: tuple[str, ...]
    in_test: np.ndarray | None
    why_no_classes: str


def arrange(names: Sequence[str]) -> _Arrangement:
    """Classes and splits from relative POSIX paths. A single folder around everything is ignored."""
    parts = _inside([name.split("/") for name in names])
    tops = {part[0].lower() if len(part) > 1 else "" for part in parts}
    in_test = None
    if tops & _TRAIN and tops & _TEST and tops <= _TRAIN | _TEST:
        in_test = np.array([part[0].lower() in _TEST for part in parts])
        parts = [part[1:] for part in parts]
    beside = sum(len(part) == 1 for part in parts)
    classes = tuple(sorted({part[0] for part in parts if len(part) > 1}))
    if beside or len(classes) < 2:
        why = "no subfolders" if not classes else f"{beside} images lie beside the subfolders"
        why = "one subfolder only" if classes and not beside else why
        return _Arrangement(np.zeros(len(parts), np.int64), (), in_test, why)
    index = {name: label for label, name in enumerate(classes)}
    return _Arrangement(np.array([index[part[0]] for part in parts], np.int64), classes, in_test, "")


def _inside(parts: list[list[str]]) -> list[list[str]]:
    while parts and all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    return parts


def _collected(where: str, names: list[str], each: Callable[[], Iterator[Picture]], skipped: Skipped) -> Collection:
    if not names:
        others = f"; {skipped}" if skipped else ""
        raise DataError(f"{where} holds no images ({', '.join(IMAGE_SUFFIXES)}){others}")
    found = arrange(names)
    return Collection(where, Pictures(each, found.labels, found.classes), found.in_test, skipped, found.why_no_classes)


def _kind(name: str) -> str:
    """The reason for skipping a file that is not an image."""
    suffix = PurePosixPath(name).suffix.lower()
    return f"{sanitise(suffix)} files" if suffix else "files without a suffix"


def _folder(folder: Path) -> Collection:
    files, skipped = Listing.of(folder), Skipped()
    if files.parquets and not files.images:
        paths = [folder / name for name in files.parquets]
        return parquet_collection(paths, str(folder), arrange(files.parquets).in_test)
    for why, names in (
        ("links that lead out of the folder", files.links), ("no files, or links to none", files.irregular),
        (".parquet files beside images", files.parquets),
    ):  # fmt: skip
        for name in names:
            skipped.add(why, name)
    for name in files.others:
        skipped.add(_kind(name), name)
    pictures = [Picture(sanitise(name), folder / name) for name in files.images]
    return _collected(sanitise(folder), files.images, lambda: iter(pictures), skipped)


def _zip(path: Path) -> Collection:
    skipped, found = Skipped(), []
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise DataError(
            f"{sanitise(path)} is not a readable zip file ({sanitise(error)}); copy or download it again"
        ) from error
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        if not parts or entry.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts):
            continue
        if is_left_by_system(parts[-1]):
            continue
        if not entry.filename.lower().endswith(IMAGE_SUFFIXES):
            skipped.add(_kind(entry.filename), entry.filename)
        elif entry.flag_bits & 1:
            skipped.add("encrypted", entry.filename)
        elif entry.file_size > _MOST_BYTES:
            skipped.add("larger than any image", entry.filename)
        else:
            found.append(entry)
    found.sort(key=lambda entry: entry.filename)
    names = [entry.filename for entry in found]
    return _collected(sanitise(path), names, lambda: _unzipped(path, found), skipped)


def _unzipped(path: Path, entries: Sequence[zipfile.ZipInfo]) -> Iterator[Picture]:
    """Yield each file of the archive. A damaged one has empty content, so that it is counted as damaged."""
    with zipfile.ZipFile(path) as archive:
        for entry in entries:
            try:
                content = archive.read(entry)
            except Exception:  # zipfile and zlib raise many types on garbage; each means the same here
                content = b""
            yield Picture(sanitise(entry.filename), content)


def hub_files(address: str) -> list[Path]:
    """The files of the split `train`, downloaded or from the client's own cache, in order.

    address: "hf://datasets/ORGANISATION/NAME", followed by "/CONFIGURATION" if the data set has several. Raises
    DataError if the client is not installed, or the Hub cannot be reached or has no such data set.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise DataError(f"{quoted(address)} is not a data set of the Hub: write {HUB}ORGANISATION/NAME")
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise DataError(f"{address} {_INSTALL}") from error
    repository, configuration = found.groups()
    try:
        logger.info("%s: downloading what is not there yet", address)
        with quiet_libraries("huggingface_hub", "httpx"):
            names = HfApi().list_repo_files(repository, repo_type="dataset", revision=REVISION)
        chosen = _train_files(address, names, configuration)
        folder = snapshot_download(repository, repo_type="dataset", revision=REVISION, allow_patterns=chosen)
    except DataError:
        raise
    except Exception as error:  # the client raises many types; each means the same here
        raise DataError(f"{address} cannot be had from the Hub: {sanitise(error).strip()}") from error
    return [Path(folder, name) for name in chosen]


def _train_files(address: str, names: list[str], configuration: str | None) -> list[str]:
    files = sorted(name for name in names if re.fullmatch(r"[^/]+/train/[^/]+\.parquet", name))
    known = sorted({name.split("/")[0] for name in files})
    if not known:
        raise DataError(f"{address} has no split 'train' in parquet files on the Hub; download it, and give the folder")
    chosen = configuration or ("default" if "default" in known else known[0] if len(known) == 1 else None)
    if chosen not in known:
        what = "several configurations" if configuration is None else f"no configuration {quoted(configuration)}"
        raise DataError(f"{address} has {what}: write {HUB}ORGANISATION/NAME/ and one of {', '.join(known)}")
    return [name for name in files if name.startswith(f"{chosen}/")]
