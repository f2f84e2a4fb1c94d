"""The Frechet distance between two sets of features: FID where the features are Inception's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.features import stop_if_asked
from papergan.evaluation.statistics import FeatureStatistics

TOLERANCE = 1e-10  # of what is added up, the error that the quick way may have by its own estimate
ROUNDINGS = 5  # of the norm, over D^(1/2), that an eigenvalue is off by on average: three times what was measured


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared 2-Wasserstein distance between the two Gaussians with these means and covariances; 0 is best.

    d^2 = |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2)).
    With a root S_b = R R^T the last trace is the sum of the roots of the eigenvalues of R^T S_a R. Where that would
    lose digits, because some of them are close to 0, it is the nuclear norm |R_a^T R|_*, which is slower and does not
    square what is small. Roots are cut at rounding level. Either way the error is below 1e-10 of 1 + tr(S_a) + tr(S_b),
    also for covariances that are singular; a root of the product S_a S_b itself is off by 1e-3 there.
    The root of b is kept with it: let b be what many are compared with.
    Covariances are divided by N - 1. The distance is biased upwards by roughly 1/N: compare equal counts only.
    Raises EvaluationError for different dimensions, fewer than two samples, and anything that is not finite.
    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6; Dowson and Landau 1982, eq. 4.
    """
    if a.dimension != b.dimension:
        raise EvaluationError(f"features of dimension {a.dimension} and {b.dimension} cannot be compared")
    return _distance(a, b)


def frechet_deviation(
    features: Tensor,
    real: FeatureStatistics,
    *,
    resamples: int = 20,
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> float:
    """Bootstrap standard deviation of the Frechet distance of `features` [N, D] from `real`.

    Only the samples are drawn anew, N of N with replacement; the real images stay, since they are the same ones for
    every model. The mean of the resamples is biased upwards (they hold duplicates) and is not returned.
    Raises EvaluationError for fewer than two resamples, and as `frechet_distance`; EvaluationStopped between two of
    them once `should_stop()` is true.
    Source: Efron 1979, section 2.
    """
    if resamples < 2:
        raise EvaluationError(f"a deviation needs at least 2 resamples, got {resamples}")
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for resample in range(resamples):
        stop_if_asked(should_stop, f"after {resample} bootstrap resamples")
        rows = torch.randint(len(features), (len(features),), generator=generator).to(features.device)
        distances.append(_distance(FeatureStatistics.of(features[rows]), real))
    return float(torch.tensor(distances, dtype=torch.float64).std())


def _distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
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
