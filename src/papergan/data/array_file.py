"""Images that are already pixels: NumPy's files, in which samples are exchanged, and the project's own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import open_memmap

from papergan.data.image_file import load_image_set
from papergan.data.memory import check_memory
from papergan.data.pictures import Picture, Pictures
from papergan.errors import DataError

_KEYS = ("arr_0", "images", "samples")
_CHANNELS = (1, 3)


def safetensors_pictures(path: Path) -> Pictures:
    """What `save_image_set` wrote, with its labels and classes. Raises DataError where it is foreign or damaged."""
    check_memory(str(path), path.stat().st_size)
    images = load_image_set(path)
    return Pictures(
        partial(_each, path, images.images.permute(0, 2, 3, 1).numpy()), images.labels.numpy(), images.classes
    )


def numpy_pictures(path: Path) -> Pictures:
    """uint8 [N, H, W, C] or [N, C, H, W] with C = 1 or 3, from .npy, or .npz under `arr_0`, `images` or `samples`.

    Raises DataError where the file is damaged, is of another kind, or could be read in both layouts.
    """
    try:
        array = _from_npz(path) if path.suffix.lower() == ".npz" else open_memmap(path, mode="r")
    except DataError:
        raise
    except Exception as problem:  # on garbage, zipfile, zlib and NumPy each have types of their own
        raise DataError(f"{path} is not a whole NumPy file ({type(problem).__name__}); get it again") from problem
    array = _channels_last(path, array)
    return Pictures(partial(_each, path, array), np.zeros(len(array), np.int64))


def _from_npz(path: Path) -> np.ndarray:
    with ZipFile(path) as archive:
        check_memory(str(path), sum(member.file_size for member in archive.infolist()))
    with np.load(path, allow_pickle=False) as arrays:
        keys = [key for key in _KEYS if key in arrays]
        if len(keys) != 1:
            raise DataError(
                f"{path} must hold one array called {', '.join(_KEYS[:-1])} or {_KEYS[-1]}; "
                f"it has: {', '.join(arrays) or 'none'}"
            )
        array: np.ndarray = arrays[keys[0]]
        return array


def _channels_last(path: Path, array: np.ndarray) -> np.ndarray:
    """Any of the two layouts -> [N, H, W, C]."""
    if array.dtype != np.uint8 or array.ndim != 4:
        raise DataError(f"{path} must be uint8 [N, H, W, C] or [N, C, H, W], got {array.dtype} {array.shape}")
    first, last = array.shape[1] in _CHANNELS, array.shape[3] in _CHANNELS
    if first == last:
        found = "both could be" if first else "neither is"
        raise DataError(
            f"{path}: axis 1 or axis 3 must be 1 or 3 channels, {found} in {array.shape}; save a folder of PNG"
        )
    return array.transpose(0, 2, 3, 1) if first else array


def _each(path: Path, array: np.ndarray) -> Iterator[Picture]:
    """array: uint8 [N, H, W, C]."""
    for index, image in enumerate(array):
        yield Picture(f"{path}, image {index}", image)
