"""Input images of a translation: what its generator gets in the place of latents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from papergan.data.images import ImageSpec
from papergan.errors import DataError


@dataclass(frozen=True, eq=False)
class InputSet:
    """Images that are translated.

    name: for logs and tables, "cifar10/train, downsampled by 4". images: uint8 [N, C, S, S], 0..255; a last channel
    may be a mask, 255 where pixels are missing. paired: whether image i belongs to image i of the data set; else they
    are of another domain.
    Raises DataError for another type or shape.
    """

    name: str
    images: Tensor
    paired: bool

    def __post_init__(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[2] != shape[3]:
            raise DataError(f"{self.name}: images must be uint8 [N, C, S, S], got {self.images.dtype} {shape}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(self.images.shape[1], self.images.shape[2])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, pairing and pixels (not over `name`)."""
        digest = hashlib.sha256(f"{tuple(self.images.shape)}|{self.paired}".encode())
        digest.update(self.images.contiguous().cpu().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class InputSplits:
    """The input images of both splits of a data set."""

    train: InputSet
    test: InputSet
