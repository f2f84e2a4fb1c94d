"""Real batches: the whole set on the device as bytes, batch k a pure function of (seed, k)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType

import torch
from torch import Tensor

from papergan.errors import DataError, RecipeError
from papergan.game.schedules import Progress
from papergan.game.sharding import Shard
from papergan.image_range import to_model_range
from papergan.randomness import seed_for
from papergan.training.batch_plan import BatchPlan, BatchSizes


class Batches:
    """Batches of real images, reshuffled in every epoch.

    images: uint8 [N, C, S, S]; labels: int64 [N]. flip: mirror each image with probability 1/2, redrawn every epoch.
    inputs: uint8 [M, C', S', S'], the input images of a translation; paired: whether input i belongs to image i, and is
    mirrored with it. Unpaired inputs are shuffled and mirrored independently, in passes of their own.
    batch_size: of all ranks together; batch_sizes: later sizes, by the number of real images from which they apply.
    drop_last: whether images left over at the end of an epoch are dropped, or make a smaller batch. shard: the rows of
    each batch that are returned; None for all.
    Raises DataError for other shapes or types, or fewer images than one batch, RecipeError if the ranks cannot share a
    batch evenly.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str,
        flip: bool = False,
        batch_sizes: Mapping[int, int] = MappingProxyType({}),
        drop_last: bool = True,
        shard: Shard | None = None,
        inputs: Tensor | None = None,
        paired: bool = True,
    ) -> None:
        if images.dtype != torch.uint8 or images.dim() != 4 or labels.shape != images.shape[:1]:
            raise DataError(
                f"batches need images uint8 [N, C, S, S] and labels [N], got {images.dtype} {tuple(images.shape)} and "
                f"{tuple(labels.shape)}"
            )
        self.plan = BatchPlan(len(images), BatchSizes(batch_size, batch_sizes), drop_last)
        if inputs is not None and paired and len(inputs) != len(images):
            raise DataError(f"{len(inputs)} input images cannot be pairs of {len(images)} images")
        self.per_epoch, sizes = self.plan.per_epoch, self.plan.sizes.all
        for size in (*sizes, self.plan.place(self.per_epoch - 1).size if not batch_sizes else 0):
            if shard is not None and size % shard.world:
                raise RecipeError(f"{shard.world} devices cannot share a batch of {size} evenly")
        self.images, self.labels = images.to(device), labels.to(device)
        self.seed, self.flip = seed, flip
        self._inputs = None if inputs is None else inputs.to(device)
        self._shuffled_inputs = None
        if self._inputs is not None and not paired:
            self._shuffled_inputs = _Passes(len(self._inputs), seed, self._inputs.device)
        self._shard = shard
        self._epoch = -1
        self._order = self._mirrored = torch.empty(0)

    def at(self, index: int) -> dict[str, Tensor]:
        """Batch `index`, or this rank's rows: image float32 [B, C, S, S] in [-1, 1], channels last; label int64 [B].

        Also input, the batch of input images, if there are any.
        """
        epoch, first, count = self.plan.place(index)
        if epoch != self._epoch:
            self._shuffle(epoch)
        mine = slice(0, count) if self._shard is None else self._shard.rows(count)
        rows = slice(first + mine.start, first + mine.stop)
        chosen = self._order[rows]
        mirrored = self._mirrored[rows]
        batch = {"image": self._shown(self.images[chosen], mirrored), "label": self.labels[chosen]}
        if self._inputs is not None:
            if self._shuffled_inputs is not None:
                start = self.plan.before(index) + mine.start
                chosen, mirrored = self._shuffled_inputs.rows(start, len(chosen))
            batch["input"] = self._shown(self._inputs[chosen], mirrored)
        return batch

    def _shown(self, pixels: Tensor, mirrored: Tensor) -> Tensor:
        images = to_model_range(pixels)
        if self.flip:
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return images.contiguous(memory_format=torch.channels_last)

    def of_step(self, step: int, count: int) -> list[dict[str, Tensor]]:
        """The batches of training step `step`, if a step draws `count` batches."""
        return [self.at(step * count + repeat) for repeat in range(count)]

    def progress(self, step: int, count: int) -> Progress:
        """The progress before training step `step`, if a step draws `count` batches."""
        plan, first = self.plan, step * count
        images, epoch = plan.before(first), float(plan.epoch(first))
        changing = len(plan.sizes.all) > 1 or (not plan.drop_last and plan.images % plan.sizes.size > 0)
        return Progress(step, images, epoch, plan.before(first + count) - images if changing else None)

    def step_of_epoch(self, step: int, count: int) -> int:
        """The number of training step `step` within its epoch, from 0; an epoch starts with the first step in it."""
        return step - ceil(self.plan.first_of(self.plan.place(step * count).epoch) / count)

    def are_due(self, step: int, count: int, every: int) -> bool:
        """Whether step `step - 1` completed an interval: the share of an epoch of `every` steps of the first size."""
        before, now = ((step + each) * count for each in (-1, 0))
        return step > 0 and self.plan.passed(now, every * count) > self.plan.passed(before, every * count)

    def _shuffle(self, epoch: int) -> None:
        """Shuffle on the host, so that the order does not depend on the device; moved there once per epoch."""
        generator = torch.Generator().manual_seed(seed_for(self.seed, "epoch", epoch))
        count = len(self.images)
        self._order = torch.randperm(count, generator=generator).to(self.images.device)
        self._mirrored = (torch.rand(count, generator=generator) < 0.5).to(self.images.device)
        self._epoch = epoch


class _Passes:
    """Repeated passes over a set, reshuffled each time; each row is a function of (seed, position)."""

    def __init__(self, count: int, seed: int, device: torch.device) -> None:
        self.count, self.seed, self.device = count, seed, device
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def rows(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """Positions `start` to `start + count` of all passes in sequence: indices int64, and which are mirrored."""
        parts = []
        while count:
            number, place = divmod(start, self.count)
            order, mirrored = self._pass(number)
            taken = min(count, self.count - place)
            parts.append((order[place : place + taken], mirrored[place : place + taken]))
            start, count = start + taken, count - taken
        return torch.cat([order for order, _ in parts]), torch.cat([mirrored for _, mirrored in parts])

    def _pass(self, number: int) -> tuple[Tensor, Tensor]:
        if number not in self._kept:
            generator = torch.Generator().manual_seed(seed_for(self.seed, "pass over the inputs", number))
            order = torch.randperm(self.count, generator=generator).to(self.device)
            mirrored = (torch.rand(self.count, generator=generator) < 0.5).to(self.device)
            self._kept = {key: value for key, value in self._kept.items() if key == number - 1}
            self._kept[number] = (order, mirrored)
        return self._kept[number]
