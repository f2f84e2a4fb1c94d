"""Decoding of many images into one ImageSet: headers first, then, if they fit, the pixels."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from papergan.data.decoding import decode, read_header
from papergan.data.images import Background, ImageSet, Mode, Picture, Pictures
from papergan.data.memory import check_memory
from papergan.errors import DataError

logger = logging.getLogger(__name__)

_Item = TypeVar("_Item")
_Decoded = TypeVar("_Decoded")
_CHUNK = 256  # images whose bytes are in memory at a time
_SLICE = 32  # images per thread task: for small ones, a task each would cost as much as the image
_MOST_WORKERS = 8
_PROGRESS_FROM = 2000  # images; fewer are done before a bar could be read
_RESIZING_BYTES = 10  # for each value of an image being resized: float64, and the bytes before and after


class _Survey(NamedTuple):
    """Summary of all headers. size: of the decoded images. changed: an image is cropped or resized to it.

    grey: every image is greyscale. jpegs: how many are JPEG. largest: pixels of the largest image.
    """

    size: int
    changed: bool
    grey: bool
    jpegs: int
    largest: int


def stack(
    pictures: Pictures, *, name: str, size: int | None, mode: Mode | None, background: Background | None = None
) -> ImageSet:
    """Decode all pictures, in order. name: of the ImageSet; "@size" is added if an image was cropped or resized.

    size, mode, background: as in `read_images`. Raises DataError naming the first image that is damaged or does not
    fit.
    """
    survey = _survey(pictures, name, size, mode)
    mode = mode or ("L" if survey.grey else "RGB")
    if survey.jpegs:
        logger.warning(
            "%s: %d of %d images are JPEG; its compression alone changes the metrics (FID by points), so compare only "
            "with images that were stored the same way",
            name,
            survey.jpegs,
            len(pictures),
        )
    pixels = _allocated(name, len(pictures), survey, mode)
    decoded = in_order(pictures, partial(decode, mode=mode, size=survey.size, background=background))
    for place, image in zip(pixels, with_progress(decoded, len(pictures), name), strict=True):
        place[:] = image
    name = f"{name}@{survey.size}" if survey.changed else name
    return ImageSet(name, torch.from_numpy(pixels), torch.from_numpy(pictures.labels.copy()), pictures.classes)


def _survey(pictures: Pictures, name: str, size: int | None, mode: Mode | None) -> _Survey:
    wanted, expected = size, "a square image"
    changed, grey, jpegs, largest = False, True, 0, 0
    for picture in with_progress(pictures, len(pictures), "headers"):
        header = read_header(picture)
        wanted = wanted or header.width
        differs = (header.width, header.height) != (wanted, wanted)
        if differs and size is None:
            raise DataError(
                f"{picture.where} is {header.width}x{header.height}, expected {expected}; "
                f"give size= to crop and resize every image"
            )
        if largest == 0:  # for the first: a lower bound, known before a million more headers are read
            channels = 3 if mode == "RGB" or (mode is None and not header.grey) else 1
            _check_room(name, len(pictures), wanted, channels)
        expected = f"{wanted}x{wanted} like the images before it"
        changed, grey, jpegs = changed or differs, grey and header.grey, jpegs + header.jpeg
        largest = max(largest, header.width * header.height)
    assert wanted is not None
    return _Survey(wanted, changed, grey, jpegs, largest)


def _allocated(name: str, count: int, survey: _Survey, mode: Mode) -> np.ndarray:
    """An empty array uint8 [count, C, size, size]. Raises DataError if decoding would not fit into memory."""
    shape = (count, 3 if mode == "RGB" else 1, survey.size, survey.size)
    resizing = _workers() * survey.largest * shape[1] * _RESIZING_BYTES if survey.changed else 0
    _check_room(name, count, survey.size, shape[1], resizing)
    return np.empty(shape, np.uint8)


def _check_room(name: str, count: int, size: int, channels: int, beside: int = 0) -> None:
    check_memory(f"{name}, {count} images of {size}x{size},", count * channels * size**2 + beside)


def in_order(pictures: Iterable[Picture], one: Callable[[Picture], _Decoded]) -> Iterator[_Decoded]:
    """Apply `one` to each, on a few threads, results in order: Pillow and torch release the GIL while they work."""
    pending = iter(pictures)
    with ThreadPoolExecutor(_workers()) as pool:
        while chunk := list(islice(pending, _CHUNK)):
            slices = [chunk[start : start + _SLICE] for start in range(0, len(chunk), _SLICE)]
            for images in pool.map(partial(_decode_slice, one=one), slices):
                yield from images


def _decode_slice(pictures: Sequence[Picture], one: Callable[[Picture], _Decoded]) -> list[_Decoded]:
    return [one(picture) for picture in pictures]


def _workers() -> int:
    return min(os.cpu_count() or 1, _MOST_WORKERS)


def with_progress(items: Iterable[_Item], total: int, what: str) -> Iterable[_Item]:
    """Show a progress bar on a terminal if there are many items."""
    disable = None if total >= _PROGRESS_FROM else True
    return tqdm(items, total=total, desc=what, unit="image", disable=disable, dynamic_ncols=True)
