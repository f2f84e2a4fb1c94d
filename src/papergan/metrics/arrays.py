"""Conversion of the inputs of metrics: torch tensors or NumPy arrays."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from papergan.errors import EvaluationError

Array: TypeAlias = Tensor | NDArray[Any]

_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_NUMBERS = frozenset(str(dtype).removeprefix("torch.") for dtype in (*_WHOLE, *_FLOATS))


def as_tensor(values: object, what: str) -> Tensor:
    """A tensor or a NumPy array of integers or floats, as a tensor of the same values and type.

    values: of any shape; a tensor is returned as it is. An array becomes a tensor on the CPU that shares its memory,
    unless torch cannot share it: a read-only array, or one with negative strides or another byte order, is copied.
    what: the name of the values in the message ("fake features").
    Raises EvaluationError for anything else: lists, masked arrays, and numbers that are boolean, complex, unsigned of
    more than 8 bits, of more than 64 bits, or objects.
    """
    if not isinstance(values, Tensor | np.ndarray) or isinstance(values, np.ma.MaskedArray):
        raise EvaluationError(
            f"{what} must be a torch tensor or a NumPy array without a mask, got {type(values).__name__}; convert first"
        )
    dtype = values.dtype.name if isinstance(values, np.ndarray) else str(values.dtype).removeprefix("torch.")
    if dtype not in _NUMBERS:
        raise EvaluationError(f"{what} must be whole or floating numbers that torch has, got {dtype}; convert first")
    return values if isinstance(values, Tensor) else torch.from_numpy(_native(values))


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """The array itself, or a copy that torch can share memory with."""
    shared = values.flags.writeable and values.dtype.isnative and all(stride >= 0 for stride in values.strides)
    return values if shared else np.array(values, dtype=values.dtype.newbyteorder("="), order="C")
