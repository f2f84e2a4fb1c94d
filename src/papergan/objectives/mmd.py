"""The maximum mean discrepancy (MMD), a loss between the distributions of two sets of score vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.game.sharding import all_gather
from papergan.game.terms import BothScores


def squared_discrepancy(x: Tensor, y: Tensor, bandwidths: tuple[float, ...]) -> Tensor:
    """The unbiased estimate of MMD^2 of two samples, [M, D] and [N, D], a scalar; it may be below 0.

    1/(M(M-1)) sum_{i != j} k(x_i, x_j) + 1/(N(N-1)) sum_{i != j} k(y_i, y_j) - 2/(MN) sum k(x_i, y_j), with
    k(a, b) = sum_s exp(-|a - b|^2 / (2 s^2)) over the bandwidths s. Source: Gretton et al. 2012, JMLR 13, eq. 3.
    Raises ValueError for a sample of one, which has no pairs.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a discrepancy compares pairs: two rows of each side at least, got {len(x)} and {len(y)}")
    within = [_sum_of_kernel(rows, rows, bandwidths) - len(rows) * len(bandwidths) for rows in (x, y)]
    pairs = [len(rows) * (len(rows) - 1) for rows in (x, y)]
    between = _sum_of_kernel(x, y, bandwidths) / (len(x) * len(y))
    return within[0] / pairs[0] + within[1] / pairs[1] - 2.0 * between


def _sum_of_kernel(x: Tensor, y: Tensor, bandwidths: tuple[float, ...]) -> Tensor:
    squares = (x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2.0 * x @ y.T).clamp_min(0.0)
    return torch.stack([torch.exp(-squares / (2.0 * s * s)).sum() for s in bandwidths]).sum()


@dataclass(frozen=True)
class Discrepancy:
    """The MMD loss: G minimises MMD^2 between the scores of real and generated images; D maximises it.

    Scores are vectors, [B, K], or numbers. The whole batch counts, on all devices together.
    Source: Li et al. 2017 (MMD GAN, arXiv:1705.08584), eq. 3, with the mixture of Gaussian kernels of Li, Swersky and
    Zemel 2015 (arXiv:1502.02761), section 4; without the autoencoder of the former.
    gan_optimisation_review, section II.A.6, names it and has no equation.
    """

    bandwidths: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)

    def discriminator(self, scores: BothScores) -> Tensor:
        return -self._squared(scores)

    def generator(self, scores: BothScores) -> Tensor:
        return self._squared(scores)

    def _squared(self, scores: BothScores) -> Tensor:
        real, fake = (all_gather(side.reshape(len(side), -1)) for side in (scores.real, scores.fake))
        return squared_discrepancy(real, fake, self.bandwidths)
