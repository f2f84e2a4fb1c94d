"""The Frechet distance to second order in the law of the samples: what each sample, and each pair of them, moves."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.feature_statistics import FeatureStatistics


class Expansion:
    """First and second derivative of d^2(P, real) at the law P of the samples, in directions of point masses.

    With c = x - m_a, S_b = R R^T, R^T S_a R = U L U^T, s = L^(1/2) and u(x) = U^T R^T c,
    f(x) = 2 (m_a - m_b).c + |c|^2 - sum_i u_i^2 / s_i, up to a constant;
    h(x, y) = 2 sum_i u_i v_i / s_i + sum_ij (u_i u_j - L_ij) (v_i v_j - L_ij) / (s_i s_j (s_i + s_j)), v = u(y),
    so that d^2 of N samples is d^2(P) + 1/N sum_i f(x_i) + 1/(2 N^2) sum_ij h(x_i, x_j) + ... Directions in which P or
    the real images are flat to rounding are left out. All in float64, where the samples' statistics lie.
    Raises EvaluationError for different dimensions, and as `FeatureStatistics.root` does.
    Source: eq. 6 of Heusel et al. 2017, arXiv:1706.08500, by the derivatives of tr(M^(1/2)) (Bhatia 1997, Matrix
    Analysis, theorem V.3.3).
    """

    def __init__(self, samples: FeatureStatistics, real: FeatureStatistics) -> None:
        if samples.dimension != real.dimension:
            raise EvaluationError(f"features of dimension {samples.dimension} and {real.dimension} cannot be compared")
        real = real.to(samples.mean.device)
        self._mean, self._shift = samples.mean, samples.mean - real.mean
        values, vectors = torch.linalg.eigh(real.root.T @ samples.covariance @ real.root)
        kept = values > values.sum() * torch.finfo(values.dtype).eps
        self._roots = values[kept].sqrt()
        self._basis = real.root @ vectors[:, kept]
        self._weights = 1 / (torch.outer(self._roots, self._roots) * (self._roots[:, None] + self._roots))

    def first(self, rows: Tensor) -> Tensor:
        """The first derivative f at samples [B, D], float64 [B]."""
        centred = rows.to(self._mean) - self._mean
        transported = ((centred @ self._basis).square() / self._roots).sum(1)
        first: Tensor = centred @ (2 * self._shift) + centred.square().sum(1) - transported
        return first

    def second(self, rows: Tensor, others: Tensor) -> Tensor:
        """The second derivative h at pairs of samples, each [B, D], float64 [B]."""
        u, v = ((side.to(self._mean) - self._mean) @ self._basis for side in (rows, others))
        both = u * v
        centring = ((u.square() + v.square()) / self._roots).sum(1) / 2 - self._roots.sum() / 2
        second: Tensor = 2 * (both / self._roots).sum(1) + (both @ self._weights * both).sum(1) - centring
        return second
