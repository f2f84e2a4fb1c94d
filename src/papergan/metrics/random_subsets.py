"""Seeded random subsets of images, where a metric does not take all of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from papergan.randomness import seed_for

BLOCK = 1024  # keys that share a seed


def order(total: int, seed: int, *purpose: str | int) -> Tensor:
    """A permutation of `total` rows, int64 [total], a function of (seed, purpose)."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(seed_for(seed, "draw", *purpose)))


def random_rows(total: int, count: int, seed: int, *purpose: str | int) -> Tensor:
    """Rows drawn without replacement, int64 [min(count, total)]; all of them, in order, if `count` reaches them.

    A different purpose gives an independent draw, and so does the draw of real images by
    `papergan.evaluation.reference.reference_rows`.
    """
    return torch.arange(total) if count >= total else order(total, seed, *purpose)[:count]


def resampled_rows(total: int, count: int, seed: int, *purpose: str | int) -> Tensor:
    """`count` of `total` rows drawn with replacement, int64 [count]: some come more than once."""
    source = torch.Generator().manual_seed(seed_for(seed, "draw", *purpose))
    return torch.randint(total, (count,), generator=source)


def keys(seed: int, start: int, stop: int) -> Tensor:
    """Random keys of positions start to stop - 1 of a stream, float64 [stop - start] in 0..1, from (seed, position)."""
    first, last = start // BLOCK, -(-stop // BLOCK)
    blocks = [
        torch.rand(
            BLOCK, dtype=torch.float64, generator=torch.Generator().manual_seed(seed_for(seed, "stream", number))
        )
        for number in range(first, last)
    ]
    return torch.cat([torch.empty(0, dtype=torch.float64), *blocks])[start - first * BLOCK : stop - first * BLOCK]


def kept_of(total: int, count: int, seed: int) -> Tensor:
    """Positions, in order, that a Reservoir of `count` keeps of a stream of `total`, int64 [min(count, total)]."""
    return keys(seed, 0, total).topk(min(count, total), largest=False).indices.sort().values


class Reservoir:
    """Images drawn without replacement from a stream of unknown length, in the stream's order.

    Those with the smallest keys stay. A key is a function of (seed, position), so that the draw depends neither on how
    the stream is split nor on which process has which part of it: the `m` images of a part that belong to the draw of
    the whole stream are also the draw of `m` images from that part. first: the position of the first image that is
    offered. Holds twice `count` images and a batch at most.
    Source: Vitter 1985, ACM TOMS 11(1), who keeps a sample of each prefix of a stream; keys as in Efraimidis and
    Spirakis 2006, Information Processing Letters 97(5), with equal weights.
    """

    def __init__(self, count: int, seed: int, first: int = 0) -> None:
        self.count, self.seed = count, seed
        self._place, self._highest = first, math.inf
        self._keys = torch.empty(0, dtype=torch.float64)
        self._parts: list[Tensor] = []

    def offer(self, pixels: Tensor) -> None:
        """Offer the next images of the stream, [B, ...] on any device."""
        if not self.count:
            return
        start, self._place = self._place, self._place + len(pixels)
        found = keys(self.seed, start, self._place)
        rows = (found < self._highest).nonzero().flatten()
        if len(rows):
            self._keys = torch.cat([self._keys, found[rows]])
            self._parts.append(pixels[rows.to(pixels.device)].cpu())
        if len(self._keys) >= 2 * self.count:
            self._drop_highest()

    def kept(self) -> Tensor:
        """The images, [min(count, offered), ...] on the host; uint8 [0] where there are none."""
        if len(self._keys) > self.count:
            self._drop_highest()
        return torch.cat(self._parts) if self._parts else torch.empty(0, dtype=torch.uint8)

    def _drop_highest(self) -> None:
        rows = self._keys.topk(self.count, largest=False).indices.sort().values
        self._keys, self._parts = self._keys[rows], [torch.cat(self._parts)[rows]]
        self._highest = float(self._keys.max())
