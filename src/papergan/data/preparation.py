"""Subsets and resizing: from a published data set to the images of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from papergan.data.images import ImageSet, ImageSpec, ImageSplits
from papergan.data.memory import check_memory
from papergan.errors import DataError
from papergan.messages import quoted

_RESIZE_BATCH = 4096


def prepare(
    splits: ImageSplits,
    *,
    size: int | None,
    limit: int | None,
    subset_seed: int | None = None,
    validation: int | None = None,
    classes: Sequence[str] | None = None,
) -> ImageSplits:
    """The splits at `size` pixels, the training split cut to `limit` images; the same object if nothing changes.

    size: None = as published. limit: None = all; the test split is never cut, so scores stay comparable. subset_seed:
    for drawing those images; None = the first ones. validation: how many of the last images, see `without_the_last`,
    become a validation split before anything else is done; None = no such split. classes: keep only images of these, in
    every split; None = of all. Names record what was done: "cifar10/train[:5000]", "cifar10/train[1000 of seed 0]",
    "mnist/train@32", "mnist/train without the last 9".
    Raises DataError if no training image would be left.
    """
    train, test, held = splits.train, splits.test, splits.validation
    if validation is not None:
        train, held = without_the_last(train, validation)
    if classes is not None:
        train, test = only_classes(train, classes), only_classes(test, classes)
        held = None if held is None else only_classes(held, classes)
    if limit is not None:
        train = drawn(train, limit, subset_seed)
    if size is not None:
        train, test, held = resized(train, size), resized(test, size), None if held is None else resized(held, size)
    if train is splits.train and test is splits.test and held is splits.validation:
        return splits
    return ImageSplits(train, test, held)


def without_the_last(images: ImageSet, count: int) -> tuple[ImageSet, ImageSet]:
    """Split off the last `count` images: (the others, these). Raises DataError if no others would be left.

    Where images are in the order of their classes, as read from a folder for each, the last ones of every class, in
    proportion to its size.
    """
    left = len(images) - count
    if left < 1:
        raise DataError(f"{images.name}: of {len(images)} images {count} cannot be left for validation; give fewer")
    rows, labels = torch.arange(len(images)), images.labels
    if bool((labels.diff() >= 0).all()) and bool(labels[0] != labels[-1]):
        place = (_class_rank(labels) + 0.5) / labels.bincount()[labels]  # within the class, 0..1
        rows = place.argsort(stable=True)
    rest = images.taken(rows[:left].sort().values, f"{images.name} without the last {count}")
    return rest, images.taken(rows[left:].sort().values, f"{images.name}, the last {count}")


def drawn(images: ImageSet, limit: int, seed: int | None) -> ImageSet:
    """`limit` images, as evenly over the classes as their sizes allow, in their original order.

    seed: of a draw without replacement; None = the first ones. The n-th image of every class comes before the (n+1)-th
    of any, so a smaller limit gives a subset of a larger one. `origin` of the result holds their indices.
    """
    if limit < 1:
        raise DataError(f"{images.name}: limit must be at least 1 image, got {limit}")
    if limit >= len(images):
        return images
    order = torch.arange(len(images))
    if seed is not None:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    rows = order[_evenly(images.labels[order], limit)].sort().values
    name = f"{images.name}[:{limit}]" if seed is None else f"{images.name}[{limit} of seed {seed}]"
    return images.taken(rows, name)


def only_classes(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """Only the images of these classes, which become the classes of the set, in this order.

    Raises DataError for a class that does not exist, or one without images.
    """
    if unknown := [name for name in names if name not in images.classes]:
        there_are = f"; there are {', '.join(images.classes)}" if images.classes else ", which has no classes"
        raise DataError(f"{images.name} has no class {quoted(unknown[0])}{there_are}")
    numbers = torch.full((len(images.classes),), -1)
    numbers[[images.classes.index(name) for name in names]] = torch.arange(len(names))
    labels = numbers[images.labels]
    rows = (labels >= 0).nonzero().flatten()
    if missing := [name for number, name in enumerate(names) if not bool((labels == number).any())]:
        raise DataError(f"{images.name} has no image of class {quoted(missing[0])}")
    chosen = images.taken(rows, f"{images.name}[{', '.join(names)}]")
    return replace(chosen, labels=labels[rows], classes=tuple(names))


def without(images: ImageSet, some: ImageSet) -> ImageSet:
    """All images except those that were taken into `some`."""
    kept = torch.ones(len(images), dtype=torch.bool)
    if some.origin is not None:
        kept[some.origin] = False
    return images.taken(kept.nonzero().flatten(), f"{images.name} without {len(images) - int(kept.sum())}")


def _evenly(labels: Tensor, limit: int) -> Tensor:
    """The first `limit` indices, ordered by rank within their class, then by class."""
    return torch.argsort(_class_rank(labels).mul(int(labels.max()) + 1).add(labels))[:limit]


def check_resizing(name: str, count: int, images: ImageSpec, size: int) -> None:
    """Raise DataError if `count` images at `size` pixels, and a batch of them in float32, do not fit into memory."""
    needed = (count + 4 * min(count, _RESIZE_BATCH)) * images.channels * size**2
    check_memory(f"{name}, {count} images at {size} pixels,", needed, "lower image_size or train_limit")


def resized(images: ImageSet, size: int) -> ImageSet:
    """Bilinear with antialiasing, as in Pillow and so in torchvision's Resize of a picture; see `resized_pixels`."""
    if size < 1:
        raise DataError(f"{images.name}: size must be at least 1 pixel, got {size}")
    if images.spec.size == size:
        return images
    check_resizing(images.name, len(images), images.spec, size)
    pixels = torch.cat([resized_pixels(batch, size) for batch in torch.split(images.images, _RESIZE_BATCH)])
    return replace(images, name=f"{images.name}@{size}", images=pixels)


def resized_pixels(pixels: Tensor, size: int) -> Tensor:
    """uint8 [B, C, H, W] -> uint8 [B, C, size, size]: the rule of `resized`, for one batch.

    Like Pillow, first horizontally and then vertically, rounded to bytes after each. In float64, so that rounding is
    the same on every machine.
    """
    return _resized_to(_resized_to(pixels.double(), (pixels.shape[2], size)), (size, size)).to(torch.uint8)


def _resized_to(values: Tensor, shape: tuple[int, int]) -> Tensor:
    resized = interpolate(values, shape, mode="bilinear", antialias=True, align_corners=False)
    return resized.add_(0.5).floor_().clamp_(0, 255)


def _class_rank(labels: Tensor) -> Tensor:
    """For each label [N], how many earlier ones are equal to it."""
    rank = torch.empty_like(labels)
    for label in range(int(labels.max()) + 1):
        positions = (labels == label).nonzero().flatten()
        rank[positions] = torch.arange(len(positions))
    return rank
