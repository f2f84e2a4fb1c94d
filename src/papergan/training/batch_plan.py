"""The plan of the batches of a training: which rows of which epoch batch k has, where batch sizes may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from papergan.errors import DataError


def batches_per_epoch(count: int, batch_size: int, *, drop_last: bool) -> int:
    """How many batches `count` images make; drop_last: whether what is left over makes no batch of its own."""
    return count // batch_size if drop_last else -(-count // batch_size)


@dataclass(frozen=True)
class BatchSizes:
    """Batch sizes: `size`, and from so many real images on that of `changes`, in order of these numbers.

    A change comes with the first batch that begins at that number of images or after it.
    """

    size: int
    changes: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def stretches(self) -> list[tuple[int, int, int]]:
        """The batches of one size in a row: the first one, the images before it, and the size."""
        found = [(0, 0, self.size)]
        for images, size in sorted(self.changes.items()):
            first, before, old = found[-1]
            count = max(0, -(-(images - before) // old))
            found.append((first + count, before + count * old, size))
        return found

    @property
    def all(self) -> tuple[int, ...]:
        """Every size, in order."""
        return self.size, *(size for _, size in sorted(self.changes.items()))

    def at(self, images: int) -> int:
        """The size of the newest batch after so many images; that of the first one before any."""
        return next(size for first, before, size in reversed(self.stretches) if before < images or not first)

    def before(self, batch: int) -> int:
        """Images before this batch."""
        first, images, size = next(one for one in reversed(self.stretches) if one[0] <= batch)
        return images + (batch - first) * size

    def until(self, images: int) -> int:
        """The number of batches that so many images take."""
        first, before, size = next(one for one in reversed(self.stretches) if one[1] < images or not one[0])
        return first - (before - images) // size


class Place(NamedTuple):
    """The place of a batch: `size` images of epoch `epoch`, from the one that is `first` in the epoch's order."""

    epoch: int
    first: int
    size: int


class _Stretch(NamedTuple):
    """Batches of one size: the first, in which epoch it is, and what of that epoch came before.

    per_epoch: in a whole epoch; left: in what is left of the first one.
    """

    first: int
    size: int
    epoch: int
    offset: int
    left: int
    per_epoch: int


@dataclass(frozen=True)
class BatchPlan:
    """The batches of a set of `images`: batch k is a function of k, however often a training was interrupted.

    drop_last: whether the images that are left over at the end of an epoch make no batch, or a smaller one. Where the
    size changes in the middle of an epoch, what is left of it makes batches of the new size; an epoch is over where the
    next batch, by the size of the last one, does not fit.
    Raises DataError where there are fewer images than one batch.
    """

    images: int
    sizes: BatchSizes
    drop_last: bool = True

    def __post_init__(self) -> None:
        if self.images < (largest := max(self.sizes.all)):
            raise DataError(f"{self.images} images cannot fill a batch of {largest}: lower training.batch_size")

    @cached_property
    def _stretches(self) -> list[_Stretch]:
        found: list[_Stretch] = []
        for first, _, size in self.sizes.stretches:
            epoch, offset = self._start_of(found[-1], first) if found else (0, 0)
            left, per_epoch = self._in(self.images - offset, size), self._in(self.images, size)
            if not left:  # too few for a batch of the new size
                epoch, offset, left = epoch + 1, 0, per_epoch
            found.append(_Stretch(first, size, epoch, offset, left, per_epoch))
        return found

    def _in(self, images: int, size: int) -> int:
        return batches_per_epoch(images, size, drop_last=self.drop_last)

    @staticmethod
    def _start_of(stretch: _Stretch, batch: int) -> tuple[int, int]:
        """The epoch of a batch, and the images of the epoch before it, by the sizes of this stretch."""
        place = batch - stretch.first
        if place < stretch.left:
            return stretch.epoch, stretch.offset + place * stretch.size
        further, place = divmod(place - stretch.left, stretch.per_epoch)
        return stretch.epoch + 1 + further, place * stretch.size

    def _stretch(self, batch: int) -> _Stretch:
        return next(one for one in reversed(self._stretches) if one.first <= batch)

    @property
    def per_epoch(self) -> int:
        """Batches of the first size in an epoch."""
        return self._stretches[0].per_epoch

    def place(self, batch: int) -> Place:
        """The place of this batch."""
        stretch = self._stretch(batch)
        epoch, first = self._start_of(stretch, batch)
        return Place(epoch, first, min(stretch.size, self.images - first))

    def before(self, batch: int) -> int:
        """Images that were drawn before this batch."""
        if self.drop_last:
            return self.sizes.before(batch)
        epoch, first, _ = self.place(batch)  # then there is one size
        return epoch * self.images + first

    def epoch(self, batch: int) -> Fraction:
        """Epochs before this batch: whole ones, and the share of its own, by batches."""
        stretch = self._stretch(batch)
        epoch, first = self._start_of(stretch, batch)
        before = stretch.offset if epoch == stretch.epoch else 0
        batches = stretch.left if epoch == stretch.epoch else stretch.per_epoch
        return epoch + Fraction(first, before + batches * stretch.size)

    def first_of(self, epoch: int) -> int:
        """The first batch of this epoch."""
        begun = (one for one in reversed(self._stretches) if (one.epoch, one.offset) <= (epoch, 0))
        stretch = next(begun)
        further = epoch - stretch.epoch
        return stretch.first + (stretch.left + (further - 1) * stretch.per_epoch if further else 0)

    def passed(self, batch: int, interval: int) -> int:
        """How often as large a share of an epoch has passed before this batch as `interval` of the first size are."""
        return int(self.epoch(batch) * self.per_epoch / interval)
