"""Images stored as pixel arrays: NumPy files, in which samples are often exchanged, and the project's own files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy

from papergan.data.images import Picture, Pictures, load_image_set
from papergan.data.memory import check_memory
from papergan.errors import DataError
from papergan.messages import sanitise

_KEYS = ("arr_0", "images", "samples")
_CHANNELS = (1, 3)


def safetensors_pictures(path: Path) -> Pictures:
    """Images, labels and classes that `save_image_set` wrote. Raises DataError if the file is foreign or damaged."""
    images = load_image_set(path)
    return Pictures(
        partial(_each, path, images.images.permute(0, 2, 3, 1).numpy()), images.labels.numpy(), images.classes
    )


def numpy_pictures(path: Path) -> Pictures:
    """uint8 [N, H, W, C] or [N, C, H, W] with C = 1 or 3, from .npy, or .npz under `arr_0`, `images` or `samples`.

    Raises DataError if the file is damaged, is of another kind, or could be read in both layouts.
    """
    try:
        array = _from_npz(path) if path.suffix.lower() == ".npz" else _from_npy(path)
    except DataError:
        raise
    except Exception as error:  # on garbage, zipfile, zlib and NumPy each raise types of their own
        raise DataError(
            f"{path} is not a whole NumPy file ({type(error).__name__}); copy or download it again"
        ) from error
    array = _channels_last(path, array)
    return Pictures(partial(_each, path, array), np.zeros(len(array), np.int64))


def _from_npy(path: Path) -> np.ndarray:
    """The array, memory-mapped. Raises ValueError if the file has another size than its header claims."""
    array = npy.open_memmap(path, mode="r")
    if array.offset + array.nbytes != path.stat().st_size:
        raise ValueError(f"{array.shape} {array.dtype} in {path.stat().st_size} bytes")
    return array


def _from_npz(path: Path) -> np.ndarray:
    """The array, read into memory. Members are found by name; nothing is ever extracted to a path in the archive."""
    with ZipFile(path) as archive:
        sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
        keys = [key for key in _KEYS if key in sizes]
        if len(keys) != 1:
            raise DataError(
                f"{path} must hold one array called {', '.join(_KEYS[:-1])} or {_KEYS[-1]}; "
                f"it has: {sanitise(', '.join(sizes)) or 'none'}"
            )
        check_memory(str(path), sizes[keys[0]])
        with archive.open(f"{keys[0]}.npy") as member:
            return _from_member(member, sizes[keys[0]])


def _from_member(member: IO[bytes], size: int) -> np.ndarray:
    """The array. Raises ValueError, before memory is allocated, if the header claims another size than there is.

    A member's checksum is compared only if it is read to its last byte.
    """
    header = npy.read_array_header_1_0 if npy.read_magic(member) == (1, 0) else npy.read_array_header_2_0
    shape, _, kind = header(member)
    if math.prod(shape) * kind.itemsize != size - member.tell():
        raise ValueError(f"{shape} {kind} in {size} bytes")
    member.seek(0)
    array: np.ndarray = npy.read_array(member, allow_pickle=False)
    return array


def _channels_last(path: Path, array: np.ndarray) -> np.ndarray:
    """Either layout -> [N, H, W, C]."""
    if array.dtype != np.uint8 or array.ndim != 4 or 0 in array.shape[1:]:
        raise DataError(f"{path} must be uint8 [N, H, W, C] or [N, C, H, W], got {array.dtype} {array.shape}")
    first, last = array.shape[1] in _CHANNELS, array.shape[3] in _CHANNELS
    if first == last:
        found = "both could be" if first else "neither is"
        raise DataError(
            f"{path}: axis 1 or axis 3 must be 1 or 3 channels, {found} in {array.shape}; save a folder of PNG"
        )
    return array.transpose(0, 2, 3, 1) if first else array


def _each(path: Path, array: np.ndarray) -> Iterator[Picture]:
    """One Picture for each image. array: uint8 [N, H, W, C]."""
    for index, image in enumerate(array):
        yield Picture(f"{path}, image {index}", image)
