"""Dropout, noise and minibatch discrimination that give the same results on one device and on several."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from papergan.game.sharding import all_gather, per_image


class Dropout(nn.Module):
    """x * mask / (1 - p), mask Bernoulli(1 - p), in training; x otherwise. Drawn image by image.

    whole_maps: each map is kept or dropped as a whole (Tompson et al. 2015, arXiv:1411.4280), for convolutions.
    Source: Srivastava et al. 2014, JMLR 15, section 4, with the scaling at training time.
    """

    def __init__(self, p: float, *, whole_maps: bool = False) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"the share that is dropped must be in [0, 1), got {p}")
        self.p, self.whole_maps = p, whole_maps

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = (x.shape[1], *([1] * (x.dim() - 2))) if self.whole_maps else tuple(x.shape[1:])
        drawn = per_image(lambda n: torch.rand(n, *shape, device=x.device), len(x))
        return x * (drawn >= self.p).to(x.dtype) / (1 - self.p)


class GaussianNoise(nn.Module):
    """x + N(0, deviation^2) noise on every value in training; x otherwise. Drawn image by image."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.deviation == 0:
            return x
        drawn = per_image(lambda n: torch.randn(n, *x.shape[1:], device=x.device), len(x))
        return x + self.deviation * drawn.to(x.dtype)


class MinibatchDiscrimination(nn.Module):
    """Features [B, A] -> [B, A + kernels]: the similarity of each sample to the others of its batch.

    M_i = f(x_i) T, T [A, kernels, dimensions]; o(x_i)_b = sum_{j != i} exp(-|M_ib - M_jb|), concatenated to f(x_i).
    distance: "l1" as in its source, or "l2", which gan_optimisation_review (section IV.B) also names.
    In float32 whatever the precision, since images of a collapsing batch differ by less than bfloat16 resolves.
    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.2, 100 kernels of 5 dimensions in its authors' code.
    """

    def __init__(
        self, features: int, kernels: int = 100, dimensions: int = 5, *, distance: Literal["l1", "l2"] = "l1"
    ) -> None:
        super().__init__()
        self.kernels, self.distance = kernels, distance
        self.map = nn.Parameter(torch.empty(features, kernels, dimensions).normal_(0.0, 0.02))

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            mine = torch.einsum("ba,akd->bkd", features.float(), self.map.float())
        differences = mine[:, None] - all_gather(mine)[None]  # [B, all, kernels, dimensions]
        if self.distance == "l1":
            distances = differences.abs().sum(-1)
        else:
            distances = (differences.square().sum(-1) + 1e-12).sqrt()  # differentiable also if they are equal
        near = torch.exp(-distances).sum(1) - 1.0  # each is at distance 0 from itself
        return torch.cat([features, near.to(features.dtype)], dim=1)
