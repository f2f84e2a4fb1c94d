"""The Frechet distance between two sets of features: FID where the features are Inception's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.features import stop_if_asked
from papergan.evaluation.statistics import FeatureStatistics

NOT_A_COVARIANCE = 1e-8  # rounding leaves eigenvalues of about -1e-13 of the largest one; this is far beyond it


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Squared 2-Wasserstein distance between the two Gaussians with these means and covariances; 0 is best.

    d^2 = |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^(1/2)),
    where the last trace is computed as the nuclear norm |R_a^T R_b|_* of roots S = R R^T. The eigenvalues of the
    product S_a S_b would lose half the digits in every null direction (errors of 1e-3 where there are fewer samples
    than dimensions); the roots, cut at rounding level, keep the error below 1e-11 there too.
    Covariances are divided by N - 1. The distance is biased upwards by roughly 1/N: compare equal counts only.
    Raises EvaluationError for different dimensions, fewer than two samples, and anything that is not finite.
    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6; Dowson and Landau 1982, eq. 4.
    """
    if a.dimension != b.dimension:
        raise EvaluationError(f"features of dimension {a.dimension} and {b.dimension} cannot be compared")
    b = b.to(a.mean.device)
    return _distance(a, b, _root(b.covariance))


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
    root = _root(real.covariance)
    distances = []
    for resample in range(resamples):
        stop_if_asked(should_stop, f"after {resample} bootstrap resamples")
        rows = torch.randint(len(features), (len(features),), generator=generator).to(features.device)
        distances.append(_distance(FeatureStatistics.of(features[rows]), real, root))
    return float(torch.tensor(distances, dtype=torch.float64).std())


def _distance(a: FeatureStatistics, b: FeatureStatistics, root_b: Tensor) -> float:
    covariance_a, covariance_b = a.covariance, b.covariance
    difference = a.mean - b.mean
    shared = torch.linalg.svdvals(_root(covariance_a).T @ root_b).sum()
    variance = covariance_a.trace() + covariance_b.trace()
    distance = float(difference @ difference + variance - 2 * shared)
    if not distance > -1e-6 * (1 + float(variance)):  # written so that NaN fails too
        raise EvaluationError(f"the Frechet distance came out as {distance}; the feature statistics are damaged")
    return max(distance, 0.0)


def _root(covariance: Tensor) -> Tensor:
    """R [D, rank] with R R^T = S; directions below rounding level are left out."""
    if not bool(torch.isfinite(covariance).all()):
        raise EvaluationError("a feature covariance contains NaN or infinity")
    values, vectors = torch.linalg.eigh(covariance)
    largest = values[-1].clamp_min(0)
    if bool(values[0] < -NOT_A_COVARIANCE * largest):
        raise EvaluationError(f"a feature covariance has the eigenvalue {float(values[0]):.3g} and is none")
    kept = values > largest * len(values) * torch.finfo(values.dtype).eps
    root: Tensor = vectors[:, kept] * values[kept].sqrt()
    return root
