"""The batch plan of a training run: which rows of which epoch are in batch k, with batch sizes that may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from papergan.errors import DataError


def batches_per_epoch(count: int, batch_size: int, *, drop_last: bool) -> int:
    """The number of batches from `count` images; drop_last: whether an incomplete last batch is dropped."""
    return count // batch_size if drop_last else -(-count // batch_size)


@dataclass(frozen=True)
class BatchSizes:
    """Batch sizes: `size` at first, then those of `changes`, a mapping from real images seen to a new size.

    A change takes effect with the first batch that begins at or after that number of images.
    """

    size: int
    changes: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def stretches(self) -> list[tuple[int, int, int]]:
        """Runs of batches of one size, in order: the first batch, the images before it, and the size."""
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
        """The size of the latest batch after this many images; of the first batch before any."""
        return next(size for first, before, size in reversed(self.stretches) if before < images or not first)

    def before(self, batch: int) -> int:
        """Images before this batch."""
        first, images, size = next(one for one in reversed(self.stretches) if one[0] <= batch)
        return images + (batch - first) * size

    def until(self, images: int) -> int:
        """The number of batches that contain this many images."""
        first, before, size = next(one for one in reversed(self.stretches) if one[1] < images or not one[0])
        return first - (before - images) // size


class Place(NamedTuple):
    """The position of a batch: `size` images of epoch `epoch`, from position `first` of the epoch's order on."""

    epoch: int
    first: int
    size: int


class _Stretch(NamedTuple):
    """A run of batches of one size: the first batch, its epoch, and how many images of that epoch precede it (offset).

    per_epoch: batches in a whole epoch; left: batches in the rest of the first epoch.
    """

    first: int
    size: int
    epoch: int
    offset: int
    left: int
    per_epoch: int


@dataclass(frozen=True)
class BatchPlan:
    """The batches of a set of `images`: batch k is a function of k, however often training was interrupted.

    drop_last: whether images left over at the end of an epoch are dropped, or make a smaller batch. If the size changes
    in the middle of an epoch, the rest of the epoch makes batches of the new size; an epoch ends when the next batch,
    of the last one's size, does not fit.
    Raises DataError if there are fewer images than one batch.
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
        """The epoch of a batch, and the images of the epoch before it, with the sizes of this stretch."""
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
        """The position of this batch."""
        stretch = self._stretch(batch)
        epoch, first = self._start_of(stretch, batch)
        return Place(epoch, first, min(stretch.size, self.images - first))

    def before(self, batch: int) -> int:
        """Images drawn before this batch."""
        if self.drop_last:
            return self.sizes.before(batch)
        epoch, first, _ = self.place(batch)  # then there is one size
        return epoch * self.images + first

    def epoch(self, batch: int) -> Fraction:
        """Epochs before this batch: whole epochs plus the share of its own, by batches."""
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
        """Intervals completed before this batch; each is the share of an epoch of `interval` first-size batches."""
        return int(self.epoch(batch) * self.per_epoch / interval)
