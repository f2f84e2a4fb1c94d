"""The Frechet distance between two sets of features: FID where the features are Inception's."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import stop_if_requested
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.randomness import seed_for

TOLERANCE = 1e-10  # of the sum of the terms: the largest estimated error of the fast method
ROUNDINGS = 5  # of the norm, over D^(1/2): mean error of an eigenvalue, three times the measured one
PAIRS = 1000  # of samples, held in float64 at once


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared 2-Wasserstein distance between the two Gaussians with these means and covariances; 0 is best.

    d^2 = |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2)).
    With a root S_b = R R^T the last trace is the sum of the roots of the eigenvalues of R^T S_a R. Where that would
    lose digits, because some of them are close to 0, it is the nuclear norm |R_a^T R|_*, which is slower and does not
    square small values. Roots are cut at rounding level. By either method, and in either order of a and b, the error is
    below 1e-10 of 1 + tr(S_a) + tr(S_b), also for singular covariances; a root of the product S_a S_b itself is off by
    1e-3 there. The exception: one covariance is singular up to rounding, with eigenvalues below 1e-8 of its largest and
    not 0 (float32 features of low rank), and the other has those directions. A covariance in float64 determines them to
    half the digits, and the error is below 2 D eps^(1/2) (|S_a|^(1/2) tr(S_b)^(1/2) + |S_b|^(1/2) tr(S_a)^(1/2)), |S|
    the largest eigenvalue, eps = 2.2e-16; found: 1e-8 to 2e-6 of tr(S_a) + tr(S_b). Distributions that lack the same
    directions keep 1e-10.
    The root of b is kept with b: pass as b the one that many are compared with.
    Covariances are divided by N - 1. The distance is biased upwards by roughly 1/N: compare equal counts only.
    Raises EvaluationError for different dimensions, fewer than two samples, and anything that is not finite.
    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6; Dowson and Landau 1982, eq. 4.
    """
    if a.dimension != b.dimension:
        raise EvaluationError(f"features of dimension {a.dimension} and {b.dimension} cannot be compared")
    b = b.to(a.mean.device)
    difference = a.mean - b.mean
    variance = a.covariance.trace() + b.covariance.trace()
    shared = _from_eigenvalues(a, b, TOLERANCE * (1 + float(variance)))
    if shared is None:
        shared = torch.linalg.svdvals(a.root.T @ b.root).sum()
    distance = float(difference @ difference + variance - 2 * shared)
    if not distance > -1e-6 * (1 + float(variance)):  # written so that NaN fails too
        raise EvaluationError(f"the Frechet distance came out as {distance}; the feature statistics are damaged")
    return max(distance, 0.0)


def frechet_deviation(
    features: Array,
    real: FeatureStatistics,
    *,
    resamples: int = 20,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> float:
    """Standard deviation of the Frechet distance of `features` [N, D] from `real` due to the choice of samples.

    The real images are fixed, since they are the same ones for every model. With f and h of `Expansion`, the variance
    to second order is E f^2 / N + E h^2 / (2 N^2). The mean of f^2 over the samples exceeds E f^2 by E h^2 / N, since f
    is taken at their own empirical distribution: the excess is subtracted, down to 0. E h^2 is the mean over PAIRS
    random pairs of different samples for each of `resamples`.
    Valid far from the floor and near it, where a bootstrap is about twice too large, and tenfold for N near D, because
    its duplicates look like missing directions. Compared with fresh draws of normal features of equal spread it is
    right within 15 % on average for N >= 10 D, up to 1.4 times too large for N = 1.5 D; for real images, within 35 %.
    Near the floor it is up to 1.6 times too large, and one estimate scatters by half, where a few directions hold most
    of the variance; with heavy tails (kurtosis 11 in every direction at once) it is up to 2.8 times too large, a
    bootstrap 3.5 times. See benchmarks/frechet_deviation.py.
    Raises EvaluationError for fewer than one of `resamples` or two samples, and as `frechet_distance`;
    EvaluationStopped between two of `resamples` once `should_stop()` is true.
    Source: Jaeckel 1972, the infinitesimal jackknife; Efron and Stein 1981, Ann. Statist. 9, for its excess.
    """
    if resamples < 1:
        raise EvaluationError(f"a deviation needs at least 1 resample of pairs, got {resamples}")
    features = as_tensor(features, "features")
    expansion = Expansion(FeatureStatistics.of(features), real)
    count = len(features)
    first = float(torch.cat([expansion.first(rows) for rows in torch.split(features, PAIRS)]).var()) / count
    draw = torch.Generator().manual_seed(seed_for(seed, "Frechet deviation"))
    squares = []
    for resample in range(resamples):
        stop_if_requested(should_stop, f"after {resample} resamples of pairs")
        one = torch.randint(count, (PAIRS,), generator=draw)
        other = (one + torch.randint(1, count, (PAIRS,), generator=draw)) % count
        h = expansion.second(*(features[rows.to(features.device)] for rows in (one, other)))
        squares.append(h.square().mean())
    second = float(torch.stack(squares).mean()) / (2 * count**2)
    return math.sqrt(second + max(first - 2 * second, 0.0))


def _from_eigenvalues(a: FeatureStatistics, b: FeatureStatistics, tolerance: float) -> Tensor | None:
    """tr((S_a S_b)^(1/2)); None where twice that may be off by more than `tolerance`.

    An eigenvalue l is known to d = ROUNDINGS eps |S_a| |S_b| / D^(1/2), whatever its size, its root to d / (2 l^(1/2)).
    Where R has every direction and no eigenvalue is near 0, none of S_a's is negative: it is a covariance.
    """
    covariance, root = a.covariance, b.root
    if root.shape[1] < len(root):
        return None
    roots = torch.linalg.eigvalsh(root.T @ covariance @ root).sqrt()  # NaN where one is negative
    norms = torch.linalg.matrix_norm(covariance) * root.square().sum(0).max()
    error = ROUNDINGS * torch.finfo(roots.dtype).eps / len(root) ** 0.5 * norms / (2 * roots)
    return roots.sum() if bool(2 * error.sum() <= tolerance) else None


class Expansion:
    """First and second derivative of d^2(P, real) at the samples' distribution P, in directions of point masses.

    With c = x - m_a, S_b = R R^T, R^T S_a R = U L U^T, s = L^(1/2) and u(x) = U^T R^T c,
    f(x) = 2 (m_a - m_b).c + |c|^2 - sum_i u_i^2 / s_i, up to a constant;
    h(x, y) = 2 sum_i u_i v_i / s_i + sum_ij (u_i u_j - L_ij) (v_i v_j - L_ij) / (s_i s_j (s_i + s_j)), v = u(y),
    so that d^2 of N samples is d^2(P) + 1/N sum_i f(x_i) + 1/(2 N^2) sum_ij h(x_i, x_j) + ... Directions in which P or
    the real images are flat to rounding are left out. All in float64, on the device of the samples' statistics.
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
