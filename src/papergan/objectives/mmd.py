"""The maximum mean discrepancy (MMD), a loss between the distributions of two sets of score vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from papergan.game.sharding import all_gather
from papergan.game.terms import BothScores

SMALLEST = 1e-12  # least squared discrepancy under a root, whose gradient is unbounded at 0

ROWS_AT_ONCE = 128


def squared_discrepancy(x: Tensor, y: Tensor, bandwidths: tuple[float, ...], *, biased: bool = False) -> Tensor:
    """An estimate of MMD^2 between two samples, [M, D] and [N, D], a scalar; the unbiased one may be below 0.

    1/(M(M-1)) sum_{i != j} k(x_i, x_j) + 1/(N(N-1)) sum_{i != j} k(y_i, y_j) - 2/(MN) sum k(x_i, y_j), with
    k(a, b) = sum_s exp(-|a - b|^2 / (2 s^2)) over the bandwidths s. biased: includes the pairs i = j, over M^2 and N^2.
    Differentiable once; in float32 at least, whatever the precision of the networks.
    Source: Gretton et al. 2012, JMLR 13, eqs. 3 and 5 (the biased one).
    Raises ValueError for a sample of one, which has no pairs.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a discrepancy compares pairs: two rows of each side at least, got {len(x)} and {len(y)}")
    with torch.autocast(x.device.type, enabled=False):
        x, y = (rows if rows.dtype == torch.float64 else rows.float() for rows in (x, y))
        between = _sum_of_kernel(x, y, bandwidths) / (len(x) * len(y))
        within = [_mean_of_pairs(rows, bandwidths, biased=biased) for rows in (x, y)]
        return within[0] + within[1] - 2.0 * between


def _mean_of_pairs(rows: Tensor, bandwidths: tuple[float, ...], *, biased: bool) -> Tensor:
    """The mean of k over the pairs of a sample. By symmetry, half of the gradient is that of the first argument."""
    count, half = len(rows), _sum_of_kernel(rows, rows.detach(), bandwidths)
    total = 2.0 * half - half.detach()
    return total / count**2 if biased else (total - count * len(bandwidths)) / (count * (count - 1))


def _sum_of_kernel(x: Tensor, y: Tensor, bandwidths: tuple[float, ...]) -> Tensor:
    total: Tensor = _KernelSum.apply(x, y, bandwidths)  # type: ignore[no-untyped-call]
    return total


class _KernelSum(Function):
    """sum_ij k(x_i, y_j), with its gradient sum_j A_ij (y_j - x_i), A = sum_s k_s / s^2, computed in the same pass.

    Written out, in blocks of rows that fit a cache: autograd would keep two matrices for each bandwidth, and the time
    here goes into memory access.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, bandwidths: tuple[float, ...]) -> Tensor:
        for_x, for_y, _ = ctx.needs_input_grad
        total, of_x, of_y, lengths = x.new_zeros(()), [], torch.zeros_like(y) if for_y else None, y.square().sum(1)
        for rows in torch.split(x, ROWS_AT_ONCE):
            halves = torch.addmm(lengths + rows.square().sum(1)[:, None], rows, y.T, alpha=-2.0)
            halves.clamp_min_(0.0).mul_(-0.5)
            weights = torch.zeros_like(halves) if for_x or for_y else None
            for s in bandwidths:
                kernel = (halves * (1.0 / (s * s))).exp_()
                total += kernel.sum()
                if weights is not None:
                    weights.add_(kernel, alpha=1.0 / (s * s))
            if for_x and weights is not None:
                of_x.append(torch.addcmul(weights @ y, weights.sum(1)[:, None], rows, value=-1.0))
            if of_y is not None and weights is not None:
                of_y += torch.addcmul(weights.T @ rows, weights.sum(0)[:, None], y, value=-1.0)
        ctx.of_x, ctx.of_y = torch.cat(of_x) if for_x else None, of_y
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        of_x, of_y = (None if part is None else upstream * part for part in (ctx.of_x, ctx.of_y))
        return of_x, of_y, None


@dataclass(frozen=True)
class Discrepancy:
    """The MMD loss: G minimises MMD^2 between the scores of real and generated images; D maximises it.

    Scores are vectors, [B, K], or numbers. Computed over the whole batch of all devices together. biased: see
    `squared_discrepancy`. root: MMD instead of MMD^2, from the biased estimate, since the unbiased one may be below 0.
    Source: Li et al. 2017 (MMD GAN, arXiv:1705.08584), eq. 3, with the mixture of Gaussian kernels of Li, Swersky and
    Zemel 2015 (arXiv:1502.02761), section 4; without the autoencoder of the former. gan_optimisation_review, section
    II.A.6, names it without an equation.
    """

    vector_scores: ClassVar[bool] = True

    bandwidths: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
    biased: bool = False
    root: bool = False

    def discriminator(self, scores: BothScores) -> Tensor:
        return -self._value(scores)

    def generator(self, scores: BothScores) -> Tensor:
        return self._value(scores)

    def _value(self, scores: BothScores) -> Tensor:
        real, fake = (all_gather(side.reshape(len(side), -1)) for side in (scores.real, scores.fake))
        squared = squared_discrepancy(real, fake, self.bandwidths, biased=self.biased or self.root)
        return squared.clamp_min(SMALLEST).sqrt() if self.root else squared
