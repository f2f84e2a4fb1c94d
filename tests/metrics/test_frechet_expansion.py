"""Deviations of the Frechet distance against those of fresh draws, and its expansion against differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError, EvaluationStopped
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import Expansion, frechet_deviation, frechet_distance


def sample(count: int, seed: int, dimension: int = 4, spread: float = 2.0, shift: float = 0.5) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed)) * spread + shift


def truth_and_estimate(count: int, dimension: int, spread: float, shift: float) -> tuple[float, float]:
    """Over 200 fresh draws, and the mean of five estimates; the former is good to 5 %."""
    real = FeatureStatistics.of(sample(20_000, 10_000, dimension, 1.0, 0.0))

    def draw(seed: int) -> Tensor:
        return sample(count, seed, dimension, spread, shift)

    fresh = torch.tensor([frechet_distance(FeatureStatistics.of(draw(seed)), real) for seed in range(200)])
    return float(fresh.std()), sum(frechet_deviation(draw(500 + seed), real) for seed in range(5)) / 5


@pytest.mark.parametrize(("count", "dimension"), [(100, 8), (400, 16), (320, 32)], ids=lambda value: str(value))
@pytest.mark.parametrize(("spread", "shift"), [(1.0, 0.0), (1.0, 0.1), (1.1, 0.0), (2.0, 0.5)])
def test_it_is_the_deviation_over_fresh_draws_near_the_floor_and_far_from_it(
    count: int, dimension: int, spread: float, shift: float
) -> None:
    """A bootstrap is 1.7 to 3 times too large for the first of the laws, which is that of the real features."""
    truth, estimate = truth_and_estimate(count, dimension, spread, shift)
    assert 0.8 < estimate / truth < 1.25


def test_with_hardly_more_samples_than_dimensions_it_is_not_twice_too_large() -> None:
    """Where a bootstrap is five times too large: its duplicates look like directions that are missing."""
    truth, estimate = truth_and_estimate(48, 32, 1.0, 0.0)
    assert 0.9 < estimate / truth < 1.7


def test_more_samples_deviate_less_and_the_seed_decides() -> None:
    real = FeatureStatistics.of(torch.randn(4000, 4, generator=torch.Generator().manual_seed(99)))
    few, many = (frechet_deviation(sample(count, 0), real) for count in (200, 5000))
    assert many < few / 3
    assert frechet_deviation(sample(200, 0), real) == few != frechet_deviation(sample(200, 0), real, seed=1)


def test_the_expansion_is_that_of_the_distance() -> None:
    """d^2 of a mixture (1 - t) P + t (delta_x + delta_y) / 2 in t, by hand: no formula of the derivatives."""
    rows, real = sample(40, 0).double(), FeatureStatistics.of(sample(60, 1, shift=0.0))

    def mixed(t: float) -> float:
        """With weights in place of counts, divided by N - 1 as the statistics of all rows are."""
        weights = torch.full((40,), (1 - t) / 40, dtype=torch.float64)
        weights[[3, 7]] += t / 2
        mean = weights @ rows
        scatter = (rows - mean).T @ (weights[:, None] * (rows - mean)) * 40
        tensors = {"count": torch.tensor(40), "mean": mean, "scatter": scatter}
        return frechet_distance(FeatureStatistics.from_tensors(tensors), real)

    expansion = Expansion(FeatureStatistics.of(rows), real)
    pair = rows[[3, 7]]
    f = expansion.first(pair).mean() - expansion.first(rows).mean()
    h = torch.stack([expansion.second(pair, pair.roll(by, 0)) for by in (0, 1)]).mean()
    step = 1e-3
    assert (mixed(step) - mixed(-step)) / (2 * step) == pytest.approx(float(f), rel=0.05)
    assert (mixed(step) - 2 * mixed(0) + mixed(-step)) / step**2 == pytest.approx(float(h), rel=0.05)
    all_gather = torch.stack([expansion.second(rows, rows.roll(by, 0)) for by in range(40)])
    assert float(all_gather.mean()) == pytest.approx(0, abs=0.03 * float(all_gather.abs().mean()))


def test_features_that_are_all_alike_do_not_deviate() -> None:
    alike, real = torch.ones(20, 4), FeatureStatistics.of(sample(30, 0))
    assert frechet_deviation(alike, real) == 0
    assert frechet_deviation(alike, FeatureStatistics.of(alike)) == 0


def test_what_cannot_be_estimated_is_refused() -> None:
    real = FeatureStatistics.of(sample(10, 0))
    with pytest.raises(EvaluationError, match="at least 1"):
        frechet_deviation(sample(10, 0), real, resamples=0)
    with pytest.raises(EvaluationError, match="dimension 5 and 4"):
        frechet_deviation(sample(10, 0, 5), real)
    with pytest.raises(EvaluationError, match="at least 2"):
        frechet_deviation(sample(1, 0), real)
    with pytest.raises(EvaluationStopped, match="after 0 resamples"):
        frechet_deviation(sample(10, 0), real, should_stop=lambda: True)
