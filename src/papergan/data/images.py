"""Pictures before decoding, and sets of decoded images with labels, name and digest, and their files."""

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
    """The kind of images that a network is for. size: height = width, pixels; num_classes: 0 = none.

    channels: 1 or 3, more for clips, packs and masked inputs.
    input: of the images that a generator translates into these; None if the generator gets latents.
    frames: per clip, one after another along the channels: channel c of frame t is t * (channels / frames) + c; 1 =
    single images.
    """

    channels: int
    size: int
    num_classes: int = 0
    input: ImageSpec | None = None
    frames: int = 1

    @property
    def frame(self) -> ImageSpec:
        """The spec of one frame of a clip; for single images, of the image."""
        return replace(self, channels=self.channels // self.frames, input=None, frames=1)

    def random_batch(self, count: int, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """A batch of `count` random images of this kind, in the form that training uses, for measuring a step."""
        shapes = {"image": self} if self.input is None else {"image": self, "input": self.input}
        generator = torch.Generator(device).manual_seed(0)
        pixels = {
            name: torch.rand(count, one.channels, one.size, one.size, device=device, generator=generator) * 2 - 1
            for name, one in shapes.items()
        }
        return {**pixels, "label": torch.zeros(count, dtype=torch.int64, device=device)}

    def packed(self, count: int) -> ImageSpec:
        """`count` of these images as one, concatenated along the channels, with a class for each of them."""
        return replace(self, channels=count * self.channels, num_classes=count * self.num_classes)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Decoded, checked images. Two sets have the same content if their digests are equal; `==` means `is`.

    name: for logs and tables, for example "cifar10/train" or "synthetic_shapes/train".
    origin: int64 [N], the index of each image in the set that it was taken from; None if none were left out.
    frames: per clip, one after another along the channels, a power of two; 1 = single images.
    images: uint8 [N, C, S, S], 0..255. labels: int64 [N], indices into `classes`. classes: () if there are none.
    Raises DataError for other shapes or dtypes, or labels out of range.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()
    origin: Tensor | None = None
    frames: int = 1

    def __post_init__(self) -> None:
        shape, channels = tuple(self.images.shape), [self.frames, 3 * self.frames]
        if self.frames < 1 or self.frames & self.frames - 1:
            raise DataError(f"{self.name}: clips must have a power of two of frames, got {self.frames}")
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[2] != shape[3] or shape[1] not in channels:
            wanted = " or ".join(map(str, channels))
            raise DataError(f"{self.name}: images must be uint8 [N, {wanted}, S, S], got {self.images.dtype} {shape}")
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
        return ImageSpec(self.images.shape[1], self.images.shape[2], len(self.classes), frames=self.frames)

    def taken(self, rows: Tensor, name: str) -> ImageSet:
        """The images at these rows, int64 [M], in this order, under a new name, with their origin recorded."""
        origin = rows if self.origin is None else self.origin[rows]
        return replace(self, name=name, images=self.images[rows], labels=self.labels[rows], origin=origin)

    def called(self, name: str) -> ImageSet:
        """The same images under another name; a digest that is already known is not recomputed."""
        other = replace(self, name=name)
        if "digest" in vars(self):
            vars(other)["digest"] = self.digest
        return other

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, frames, pixels, labels and class names (not over `name`)."""
        frames = "" if self.frames == 1 else f"|{self.frames} frames"
        digest = hashlib.sha256(f"{tuple(self.images.shape)}|{self.classes}{frames}".encode())
        digest.update(self.images.contiguous().cpu().numpy().data)
        digest.update(self.labels.contiguous().cpu().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageSplits:
    """The splits of a data set. test is never trained on, nor is validation, which is for choosing settings.

    inputs: the images that are translated into these, if the experiment is a translation.
    """

    train: ImageSet
    test: ImageSet
    validation: ImageSet | None = None
    inputs: InputSplits | None = None

    @property
    def spec(self) -> ImageSpec:
        """The spec of the training images, with the spec of their inputs."""
        return self.train.spec if self.inputs is None else replace(self.train.spec, input=self.inputs.train.spec)

    @property
    def training_digest(self) -> str:
        """SHA-256 over everything that training reads: the training images, and their inputs if there are any."""
        if self.inputs is None:
            return self.train.digest
        return hashlib.sha256(f"{self.train.digest}|{self.inputs.train.digest}".encode()).hexdigest()


def save_image_set(path: Path, image_set: ImageSet) -> None:
    """Write `path` atomically. Raises OSError if the folder or the disk does not allow it."""
    tensors = {"images": image_set.images.contiguous().cpu(), "labels": image_set.labels.contiguous().cpu()}
    metadata = {"name": image_set.name, "classes": json.dumps(image_set.classes), "digest": image_set.digest}
    metadata |= {} if image_set.frames == 1 else {"frames": str(image_set.frames)}
    write_whole(path, safetensors_bytes(tensors, metadata))


def load_image_set(path: Path) -> ImageSet:
    """Read a file that `save_image_set` wrote, and recompute its digest.

    Raises DataError if the file is missing, foreign, larger than the memory or damaged, even by one bit.
    """
    from safetensors import safe_open

    check_image_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            recorded, name = metadata["digest"], metadata["name"]
            classes = tuple(str(one) for one in json.loads(metadata["classes"]))
            pixels, labels, frames = file.get_tensor("images"), file.get_tensor("labels"), metadata.get("frames", "1")
            image_set = ImageSet(name, pixels, labels, classes, frames=int(frames))
    except Exception as error:  # safetensors and json raise many types on garbage; each means the same here
        raise DataError(f"{path} is not a whole file of images ({sanitise(error)})") from error
    if image_set.digest != recorded:
        raise DataError(f"{path} is damaged: expected content digest {sanitise(recorded)}, got {image_set.digest}")
    return image_set


def check_image_file(path: Path) -> None:
    """Raise DataError for anything but a regular file that fits into memory; safetensors would block on a pipe."""
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
    """One image before decoding. where: its file, and its row if there is one, for error messages.

    content: path of an image file, its bytes, or pixels, uint8 [H, W, 1 or 3].
    """

    where: str
    content: Path | bytes | np.ndarray


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images in a fixed order, of which only a few need to be in memory at a time.

    each: starts over at every call, since all headers are read before any pixel is decoded.
    labels: int64 [N], indices into `classes`. classes: () if there are none.
    """

    each: Callable[[], Iterator[Picture]]
    labels: np.ndarray
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def drawn(self, count: int) -> Pictures:
        """`count` of the images, drawn without replacement, always the same ones; order and classes are kept.

        Not the first ones, which in a folder of classes would all be of one class.
        """
        draw = torch.Generator().manual_seed(seed_for(0, "pictures"))
        rows = torch.randperm(len(self), generator=draw)[:count].sort().values.numpy()
        return self.taken(rows)

    def taken(self, rows: np.ndarray) -> Pictures:
        """The images at these rows, int64 [M] in ascending order; the classes are kept."""
        taken = np.zeros(len(self), bool)
        taken[rows] = True
        return Pictures(partial(compress, self, taken), self.labels[rows], self.classes)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.each())
