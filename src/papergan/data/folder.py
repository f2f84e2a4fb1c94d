"""Images from a user's path: a folder of image files, or parquet files, NumPy files or the project's own files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from papergan.data.array_file import numpy_pictures, safetensors_pictures
from papergan.data.images import Background, ImageSet, Mode, Picture, Pictures
from papergan.data.parquet import parquet_pictures
from papergan.data.stack import stack
from papergan.errors import DataError
from papergan.messages import sanitise

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_LEFT_BY_SYSTEMS = ("thumbs.db", "ehthumbs.db", "desktop.ini")
_READERS: Mapping[str, Callable[[Path], Pictures]] = {
    ".parquet": lambda path: parquet_pictures([path]),
    ".safetensors": safetensors_pictures,
    ".npy": numpy_pictures,
    ".npz": numpy_pictures,
}


def read_images(
    path: Path,
    *,
    name: str,
    size: int | None = None,
    mode: Mode | None = None,
    limit: int | None = None,
    background: Background | None = None,
) -> ImageSet:
    """Read all images of a folder or a file, decoded and checked, in an order that is the same on every machine.

    path: a folder with PNG, JPEG, BMP or WebP files at any depth, in the order of their relative paths; a parquet file
    or a folder of them; .npy or .npz; or a file that `save_image_set` wrote. If every image of a folder is in one of
    two or more subfolders, these are the classes. name: of the ImageSet; what was done is added to it, as in
    "fake[1000 of 50000]@64".
    size: height = width to which images are centre-cropped and resized; None = all must already be square and equal.
    mode: "RGB" or "L" (grey) for every image; None = grey if every image is. limit: use only this many images, drawn at
    random, the same ones every time.
    background: "white" or "black" behind transparent pixels; None = there may be none.
    Raises DataError naming the first file that is damaged, partly transparent, animated, or of another size.
    """
    _check_options(name, size, mode, limit)
    pictures = _pictures(path)
    if not len(pictures):
        raise DataError(f"{path} holds no images")
    if limit is not None and limit < len(pictures):
        pictures, name = pictures.drawn(limit), f"{name}[{limit} of {len(pictures)}]"
    return stack(pictures, name=name, size=size, mode=mode, background=background)


def _check_options(name: str, size: int | None, mode: Mode | None, limit: int | None) -> None:
    if size is not None and size < 1:
        raise DataError(f"{name}: size must be at least 1 pixel, got {size}")
    if limit is not None and limit < 1:
        raise DataError(f"{name}: limit must be at least 1 image, got {limit}")
    if mode is not None and mode not in get_args(Mode):
        raise DataError(f"{name}: mode must be {' or '.join(get_args(Mode))}, got {mode!r}")


def _pictures(path: Path) -> Pictures:
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if path.is_dir():
        return _folder_pictures(path)
    if path.suffix.lower() not in _READERS or not path.is_file():
        raise DataError(f"{path} must be a folder of images or a file of kind {', '.join(_READERS)}")
    return _READERS[path.suffix.lower()](path)


def _folder_pictures(folder: Path) -> Pictures:
    files = Listing.of(folder)
    for name in files.irregular:
        if name.lower().endswith((*IMAGE_SUFFIXES, ".parquet")):
            raise DataError(f"{sanitise(folder / name)} is not a file, or is a broken link; remove it")
    if files.images and files.parquets:
        raise DataError(
            f"{folder} holds {len(files.images)} images and {len(files.parquets)} parquet files; name one kind alone"
        )
    links = f"{len(files.links)} symbolic links lead out of it and are not followed"
    if not files.images and not files.parquets:
        looked = f"looked at any depth for {', '.join(IMAGE_SUFFIXES)}, .parquet"
        raise DataError(f"{folder} holds no images: {looked}{f'; {links}' if files.links else ''}")
    if files.links:
        logger.warning("%s: %s", folder, links)
    if others := sorted(files.others + files.irregular):
        logger.info("%s: %d other files are ignored, for example %s", folder, len(others), sanitise(others[0]))
    if files.parquets:
        return parquet_pictures([folder / file for file in files.parquets])
    labels, classes = _labels_of(files.images)
    each = [(sanitise(folder / file), folder / file) for file in files.images]
    return Pictures(lambda: (Picture(*named) for named in each), labels, classes)


def _labels_of(files: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels, int64 [N], and classes from the first part of each relative path."""
    tops = [file.split("/")[0] if "/" in file else None for file in files]
    classes = sorted({top for top in tops if top is not None})
    if None in tops or len(classes) < 2:
        return np.zeros(len(files), np.int64), ()
    index = {name: label for label, name in enumerate(classes)}
    return np.array([index[top] for top in tops if top is not None], np.int64), tuple(classes)


class Listing(NamedTuple):
    """Relative POSIX paths of the entries of a folder at any depth, in order.

    links: symbolic links out of the folder. irregular: entries that are not files, such as pipes, and links to none.
    """

    images: list[str]
    parquets: list[str]
    others: list[str]
    links: list[str]
    irregular: list[str]

    @classmethod
    def of(cls, folder: Path) -> Listing:
        """Classify the paths that `walk` finds. Raises DataError as it does."""
        inside, found = os.path.realpath(folder), cls([], [], [], [], [])
        for path in walk(folder):
            name = path.relative_to(folder).as_posix()
            # os.path.realpath, since Path.resolve fails on a link to itself
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                found.links.append(name)
            elif not path.is_file():
                found.irregular.append(name)
            elif name.lower().endswith(IMAGE_SUFFIXES):
                found.images.append(name)
            else:
                (found.parquets if name.lower().endswith(".parquet") else found.others).append(name)
        return cls(*map(sorted, found))


def walk(folder: Path) -> Iterator[Path]:
    """Yield files that are not hidden, at any depth, and links to folders, which are not followed."""
    pending = [folder]  # not os.walk, which recurses for every level, and folders can be nested to any depth
    while pending:
        parent = pending.pop()
        try:
            entries = list(os.scandir(parent))
            folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        except OSError as error:
            raise DataError(f"{sanitise(parent)} cannot be listed ({error.strerror})") from error
        for entry in entries:
            if entry.name.startswith(".") or is_left_by_system(entry.name):
                continue
            if entry.name in folders:
                pending.append(parent / entry.name)
            else:
                yield parent / entry.name


def is_left_by_system(name: str) -> bool:
    """Whether a file is one that desktop systems leave behind, such as Thumbs.db."""
    return name.lower() in _LEFT_BY_SYSTEMS
