"""Bootstrap deviations against the deviations of fresh draws."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.evaluation.fid import frechet_deviation, frechet_distance
from papergan.evaluation.statistics import FeatureStatistics


def sample(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) * 2 + 0.5


def test_it_is_about_the_deviation_over_fresh_draws() -> None:
    real = FeatureStatistics.of(torch.randn(4000, 4, generator=torch.Generator().manual_seed(99)))
    fresh = torch.tensor([frechet_distance(FeatureStatistics.of(sample(500, s)), real) for s in range(100)])
    estimates = torch.tensor([frechet_deviation(sample(500, s), real, resamples=40) for s in range(5)])
    assert float(estimates.mean()) == pytest.approx(float(fresh.std()), rel=0.25)


def test_more_samples_deviate_less_and_the_seed_decides() -> None:
    real = FeatureStatistics.of(torch.randn(4000, 4, generator=torch.Generator().manual_seed(99)))
    few, many = (frechet_deviation(sample(count, 0), real) for count in (200, 5000))
    assert many < few / 3
    assert frechet_deviation(sample(200, 0), real) == few != frechet_deviation(sample(200, 0), real, seed=1)


def test_one_resample_has_no_deviation() -> None:
    real = FeatureStatistics.of(sample(10, 0))
    with pytest.raises(EvaluationError, match="at least 2"):
        frechet_deviation(sample(10, 0), real, resamples=1)
