"""Data parallelism: the shards of a batch, and collective operations that give the same results as the whole batch.

Every rank takes the same steps with the same random state on its own rows. Objectives are means over the batch, so
with equal shares L = mean_r L_r. `all_gather` and `batch_mean` make ranks depend on each other; a backward pass then
gives rank r the gradient of sum_s L_s with respect to its own tensors. `average_over_ranks` takes the mean of these
gradients over ranks, which is the gradient of L with respect to the weights that all ranks share.

Without an active shard every function here is the identity, or the plain mean. A controller that observes values must
take their `batch_mean`, or ranks would diverge. Only `training_step` is sharded, never evaluation or sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Shard:
    """The shard of one rank: `rank` of `world` ranks, which sum over `group`; None is the group of all processes."""

    rank: int
    world: int
    group: distributed.ProcessGroup | None = None

    def rows(self, count: int) -> slice:
        """This rank's rows of a whole batch of `count`, which `world` divides."""
        share = count // self.world
        return slice(self.rank * share, (self.rank + 1) * share)


_active: Shard | None = None


@contextmanager
def use_shard(shard: Shard) -> Iterator[None]:
    """Treat batches inside the block as this shard of larger ones."""
    global _active
    before, _active = _active, shard
    try:
        yield
    finally:
        _active = before


def is_shared() -> bool:
    """Whether a shard is active, so that batches are parts of larger ones."""
    return _active is not None


def per_image(sample: Callable[[int], Tensor], count: int, dim: int = 0) -> Tensor:
    """Random numbers for this rank's `count` images: drawn for the whole batch, then cut to this rank's rows.

    sample: takes a number and returns a tensor with that many entries along axis `dim`. Every rank has the same random
    state and advances it equally, so all ranks together hold what one process would have drawn.
    """
    if _active is None:
        return sample(count)
    whole = sample(count * _active.world)
    return whole.narrow(dim, _active.rank * count, count)


def all_gather(rows: Tensor) -> Tensor:
    """Gather the rows of all ranks in rank order, [world * B, ...]; differentiable any number of times."""
    if _active is None:
        return rows
    before, after = _active.rank * len(rows), (_active.world - 1 - _active.rank) * len(rows)
    parts = [rows.new_zeros(before, *rows.shape[1:]), rows, rows.new_zeros(after, *rows.shape[1:])]
    return _summed(torch.cat(parts), _active)


def batch_mean(values: Tensor, dim: int | tuple[int, ...] = 0) -> Tensor:
    """Mean of all ranks' values over axes that include the batch axis; differentiable any number of times."""
    mean = values.mean(dim)
    return mean if _active is None else _summed(mean, _active) / _active.world


def first_row(count: int) -> int:
    """Index of this rank's first row in the whole batch, if each rank has `count` rows."""
    return 0 if _active is None else _active.rank * count


def global_count(count: int) -> int:
    """The number of rows of all ranks together, if this one has `count`."""
    return count if _active is None else count * _active.world


def average_over_ranks(gradients: Sequence[Tensor], values: Tensor) -> Tensor:
    """Average gradients over ranks in place, and return the average of `values`, bit-identical on every rank.

    Call it after the backward pass, before reading any gradient. It takes one all-reduce per dtype, however many
    tensors there are. A weight without a gradient is in `gradients` on no rank, and remains without one.
    """
    if _active is None:
        return values
    mean = values.detach().clone()
    for dtype in dict.fromkeys(tensor.dtype for tensor in (mean, *gradients)):
        tensors = [tensor for tensor in (mean, *gradients) if tensor.dtype == dtype]
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat, group=_active.group)
        pieces = torch.split(flat.div_(_active.world), [tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view(tensor.shape))
    return mean


def _summed(values: Tensor, shard: Shard) -> Tensor:
    total: Tensor = _Sum.apply(values, shard)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """Sum over ranks. Each rank's term reaches every rank's sum, so its derivative is the same sum of gradients."""

    @staticmethod
    def forward(context: Any, values: Tensor, shard: Shard) -> Tensor:
        context.shard = shard
        total = values.detach().clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total, group=shard.group)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return _summed(gradient, context.shard), None
