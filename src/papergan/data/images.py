"""Encoded pictures before they are decoded; sets of decoded images with labels, name and digest, and their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from papergan.atomic_files import check_regular, write_whole
from papergan.data.memory import check_memory
from papergan.errors import DataError, StorageError
from papergan.messages import sanitise
from papergan.randomness import seed_for
from papergan.weights import safetensors_bytes

if TYPE_CHECKING:
    from papergan.data.input_images import InputSplits

Mode = Literal["RGB", "L"]
Background = Literal["white", "black"]


@dataclass(frozen=True)
class ImageSpec:
    """What a network must know of the images. channels: 1 or 3; size: height = width, pixels; num_classes: 0 = none.

    input: of the images that a generator translates to these; None where it gets latents.
    frames: of a clip, whose channels follow one another: channel c of frame t is t * (channels / frames) + c; 1 =
    single images.
    """

    channels: int
    size: int
    num_classes: int = 0
    input: ImageSpec | None = None
    frames: int = 1

    @property
    def frame(self) -> ImageSpec:
        """Of one frame of these clips; of single images, these without inputs."""
        return replace(self, channels=self.channels // self.frames, input=None, frames=1)

    def random_batch(self, count: int, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """A batch of `count` random images of this kind, as training draws them, for measuring a step."""
        shapes = {"image": self} if self.input is None else {"image": self, "input": self.input}
        generator = torch.Generator(device).manual_seed(0)
        pixels = {
            name: torch.rand(count, one.channels, one.size, one.size, device=device, generator=generator) * 2 - 1
            for name, one in shapes.items()
        }
        return {**pixels, "label": torch.zeros(count, dtype=torch.int64, device=device)}

    def packed(self, count: int) -> ImageSpec:
        """`count` of these images as one, concatenated along the channels, with a class for each."""
        return replace(self, channels=count * self.channels, num_classes=count * self.num_classes)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Decoded, checked images. Two sets are the same where their digests are equal; `==` is `is`.

    name: what they are, for every log and table, for example "cifar10/train" or "synthetic_shapes/train".
    origin: int64 [N], the place of each in the set that some were taken from; None where none were left out.
    images: uint8 [N, C, S, S], 0..255. labels: int64 [N], indices into `classes`. classes: () where there are none.
    Raises DataError where shapes, dtypes or label range are otherwise.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()
    origin: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[2] != shape[3] or shape[1] not in (1, 3):
            raise DataError(f"{self.name}: images must be uint8 [N, 1 or 3, S, S], got {self.images.dtype} {shape}")
        if self.labels.dtype != torch.int64 or tuple(self.labels.shape) != shape[:1]:
            raise DataError(
                f"{self.name}: labels must be int64 [{shape[0]}], got {self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if not (self.classes and len(self.labels)):
            return
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(f"{self.name}: labels must be 0..{len(self.classes) - 1}, got {low}..{high}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(self.images.shape[1], self.images.shape[2], len(self.classes))

    def taken(self, rows: Tensor, name: str) -> ImageSet:
        """These images, int64 [M], in this order, under a name; they know where they were taken from."""
        origin = rows if self.origin is None else self.origin[rows]
        return ImageSet(name, self.images[rows], self.labels[rows], self.classes, origin)

    def called(self, name: str) -> ImageSet:
        """The same images under another name, without taking their digest again where it is known."""
        other = replace(self, name=name)
        if "digest" in vars(self):
            vars(other)["digest"] = self.digest
        return other

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, pixels, labels and class names (not over `name`)."""
        digest = hashlib.sha256(f"{tuple(self.images.shape)}|{self.classes}".encode())
        digest.update(self.images.contiguous().cpu().numpy().data)
        digest.update(self.labels.contiguous().cpu().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageSplits:
    """A data set as experiments see it. test is never trained on, nor is validation, by which settings are chosen.

    inputs: the images that are translated to these, where an experiment translates.
    """

    train: ImageSet
    test: ImageSet
    validation: ImageSet | None = None
    inputs: InputSplits | None = None

    @property
    def spec(self) -> ImageSpec:
        """Of the training images, with that of their inputs."""
        return self.train.spec if self.inputs is None else replace(self.train.spec, input=self.inputs.train.spec)

    @property
    def training_digest(self) -> str:
        """SHA-256 over all that training reads: the training images, and their inputs where there are any."""
        if self.inputs is None:
            return self.train.digest
        return hashlib.sha256(f"{self.train.digest}|{self.inputs.train.digest}".encode()).hexdigest()


def save_image_set(path: Path, image_set: ImageSet) -> None:
    """Write `path` whole. Raises OSError where the folder or the disk does not allow it."""
    tensors = {"images": image_set.images.contiguous().cpu(), "labels": image_set.labels.contiguous().cpu()}
    metadata = {"name": image_set.name, "classes": json.dumps(image_set.classes), "digest": image_set.digest}
    write_whole(path, safetensors_bytes(tensors, metadata))


def load_image_set(path: Path) -> ImageSet:
    """Read a file that `save_image_set` wrote, and recompute its digest.

    Raises DataError where the file is missing, foreign, larger than the memory or damaged, be it by one bit.
    """
    from safetensors import safe_open

    check_image_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            recorded, name = metadata["digest"], metadata["name"]
            classes = tuple(str(one) for one in json.loads(metadata["classes"]))
            image_set = ImageSet(name, file.get_tensor("images"), file.get_tensor("labels"), classes)
    except Exception as error:  # safetensors and json raise many types on garbage; each means the same here
        raise DataError(f"{path} is not a whole file of images ({sanitise(error)})") from error
    if image_set.digest != recorded:
        raise DataError(f"{path} is damaged: expected content digest {sanitise(recorded)}, got {image_set.digest}")
    return image_set


def check_image_file(path: Path) -> None:
    """Refuse anything but a regular file that fits into memory; safetensors would wait at a pipe."""
    try:
        check_regular(path)
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except OSError as error:
        message = str(error) if isinstance(error, StorageError) else f"{path} cannot be read ({error.strerror})"
        raise DataError(message) from error
    check_memory(str(path), size, "make room, or remove the file where it should not be as large")


@dataclass(frozen=True, eq=False)
class Picture:
    """One image. where: its file, and row if there is one, for errors.

    content: an image file, the bytes of one, or pixels, uint8 [H, W, 1 or 3].
    """

    where: str
    content: Path | bytes | np.ndarray


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images in a fixed order, of which only a few need to be in memory at a time.

    each: starts over at every call, since all headers are seen before any pixel is decoded.
    labels: int64 [N], indices into `classes`. classes: () where there are none.
    """

    each: Callable[[], Iterator[Picture]]
    labels: np.ndarray
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def drawn(self, count: int) -> Pictures:
        """`count` of the images, drawn without replacement, always the same ones; their order and the classes stay.

        Never the first ones, which in a folder of classes are all of one class.
        """
        draw = torch.Generator().manual_seed(seed_for(0, "pictures"))
        rows = torch.randperm(len(self), generator=draw)[:count].sort().values.numpy()
        return self.taken(rows)

    def taken(self, rows: np.ndarray) -> Pictures:
        """These images, by their places in ascending order, int64 [M]; the classes stay."""
        taken = np.zeros(len(self), bool)
        taken[rows] = True
        return Pictures(partial(compress, self, taken), self.labels[rows], self.classes)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.each())
