"""Scores of generated vectors compared with real ones, and baselines that need no training."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.metrics.nearest_neighbours import neighbourhoods
from papergan.randomness import seed_for
from papergan.vectors.vectors import Normalisation, VectorSplits

TRAINING_ROWS, GAUSSIAN, INDEPENDENT = "training rows", "Gaussian", "columns independent"
MOST_COMPARED: Final = 5000  # rows used in neighbour searches


def vector_scores(generated: Tensor, splits: VectorSplits) -> dict[str, float]:
    """Scores of generated rows, [N, D] as in the table, compared with as many test rows.

    All columns are first divided by the standard deviation of the training rows, so that units do not matter. frechet:
    the squared Frechet distance of Gaussians. precision, recall, density, coverage, two_sample_accuracy: see
    `neighbourhoods`. kolmogorov_smirnov: the two-sample statistic, the largest difference of the cumulative
    distributions, 0..1, mean over columns. correlation_error: the mean absolute difference of Pearson's correlations,
    0..2, over pairs of columns; absent for one column.
    Raises EvaluationError for another number of columns, fewer rows than two, and rows that are not finite.
    """
    if generated.dim() != 2 or generated.shape[1] != len(splits.test.columns) or len(generated) < 2:
        raise EvaluationError(
            f"generated vectors must be [N >= 2, {len(splits.test.columns)}], got {list(generated.shape)}"
        )
    if not bool(generated.isfinite().all()):
        raise EvaluationError("generated vectors must be finite")
    scale = Normalisation.of(splits.train, "standard")
    count = min(len(generated), len(splits.test), MOST_COMPARED)
    fake, real = (scale.apply(rows[:count].double()) for rows in (generated, splits.test.values))
    near = neighbourhoods(fake, real)
    scores = {
        "frechet": frechet_distance(FeatureStatistics.of(fake), FeatureStatistics.of(real)),
        **{name: float(getattr(near, name)) for name in NEIGHBOURS},
        "kolmogorov_smirnov": _kolmogorov_smirnov(fake, real),
    }
    if fake.shape[1] > 1:
        scores["correlation_error"] = _correlation_error(fake, real)
    return scores


NEIGHBOURS: Final = ("precision", "recall", "density", "coverage", "two_sample_accuracy")


def baseline_rows(splits: VectorSplits, count: int) -> dict[str, Tensor]:
    """Rows [count, D] as in the table, from baselines that a generator should beat.

    These are training rows themselves, which no generator is expected to beat; a Gaussian with their mean and
    covariance; and rows whose columns are drawn independently from their training values, without any dependence.
    """
    train = splits.train.values
    draw = torch.Generator().manual_seed(seed_for(0, "baselines", "vectors"))
    rows = torch.randint(len(train), (count, train.shape[1]), generator=draw)
    values, vectors = torch.linalg.eigh(torch.cov(train.T).reshape(train.shape[1], train.shape[1]))
    root = vectors * values.clamp_min(0).sqrt()
    noise = torch.randn(count, train.shape[1], generator=draw, dtype=torch.float64)
    return {
        TRAINING_ROWS: train[torch.randperm(len(train), generator=draw)[:count]],
        GAUSSIAN: train.mean(0) + noise @ root.T,
        INDEPENDENT: train.gather(0, rows),
    }


def _kolmogorov_smirnov(fake: Tensor, real: Tensor) -> float:
    from scipy.stats import ks_2samp  # type: ignore[import-untyped]

    columns = zip(fake.T.numpy(), real.T.numpy(), strict=True)
    statistics = [float(ks_2samp(one, other, method="asymp").statistic) for one, other in columns]
    return sum(statistics) / len(statistics)


def _correlation_error(fake: Tensor, real: Tensor) -> float:
    """The mean absolute difference of correlations; those of a column that is constant in generated rows count as 0."""
    above = torch.triu(torch.ones(fake.shape[1], fake.shape[1], dtype=torch.bool), 1)
    one, other = (_correlations(rows.double())[above] for rows in (fake, real))
    return float((one - other).abs().mean())


def _correlations(rows: Tensor) -> Tensor:
    """Pearson's correlations, [D, D]; 0 for a column that is the same in every row."""
    centred = rows - rows.mean(0)
    unit = centred / torch.linalg.vector_norm(centred, dim=0).clamp_min(torch.finfo(rows.dtype).tiny)
    correlations: Tensor = unit.T @ unit
    return correlations
