"""Input images of a translation, which its generator gets instead of latents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from papergan.atomic_files import write_whole
from papergan.data.images import ImageSet, ImageSpec, check_image_file
from papergan.errors import DataError
from papergan.messages import sanitise
from papergan.weights import safetensors_bytes


@dataclass(frozen=True, eq=False)
class InputSet:
    """Images that are translated.

    name: for logs and tables, "cifar10/train, downsampled by 4". images: uint8 [N, C, S, S], 0..255; the last
    channel may be a mask, 255 where pixels are missing. paired: whether image i belongs to image i of the data set;
    otherwise they are from another domain.
    Raises DataError for another dtype or shape.
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

    def as_targets(self) -> ImageSet:
        """The same images as an ImageSet without classes, into which something is translated back.

        Raises DataError if they have a mask.
        """
        return ImageSet(self.name, self.images, torch.zeros(len(self), dtype=torch.int64))

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


def save_input_set(path: Path, input_set: InputSet) -> None:
    """Write `path` atomically. Raises OSError as `save_image_set` does."""
    metadata = {"name": input_set.name, "paired": str(input_set.paired), "digest": input_set.digest}
    write_whole(path, safetensors_bytes({"images": input_set.images.contiguous().cpu()}, metadata))


def load_input_set(path: Path) -> InputSet:
    """Read a file that `save_input_set` wrote, and recompute its digest. Raises DataError as `load_image_set` does."""
    from safetensors import safe_open

    check_image_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            recorded = metadata["digest"]
            input_set = InputSet(metadata["name"], file.get_tensor("images"), metadata["paired"] == "True")
    except Exception as error:  # as in `load_image_set`
        raise DataError(f"{path} is not a whole file of input images ({sanitise(error)})") from error
    if input_set.digest != recorded:
        raise DataError(f"{path} is damaged: expected content digest {sanitise(recorded)}, got {input_set.digest}")
    return input_set
