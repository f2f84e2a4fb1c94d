from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.feature_statistics import FeatureStatistics


def statistics_of(rows: torch.Tensor) -> FeatureStatistics:
    statistics = FeatureStatistics(rows.shape[1])
    statistics.update(rows)
    return statistics


@pytest.fixture
def rows() -> torch.Tensor:
    """Mean 10^4, deviation 1: sums of squares in float64 would lose half the digits here, in float32 all of them."""
    draw = torch.Generator().manual_seed(3)
    return (
        torch.randn(2101, 7, generator=draw, dtype=torch.float64)
        @ torch.randn(7, 7, generator=draw, dtype=torch.float64)
        + 1e4
    )


def test_streamed_batches_equal_numpy(rows: torch.Tensor) -> None:
    statistics = FeatureStatistics(7)
    for batch in rows.split(33):
        statistics.update(batch)
    assert statistics.count == 2101
    np.testing.assert_allclose(statistics.mean.numpy(), rows.numpy().mean(0), rtol=1e-14)
    np.testing.assert_allclose(
        statistics.covariance.numpy(), np.cov(rows.numpy(), rowvar=False), rtol=1e-10, atol=1e-11
    )


def test_a_caller_may_reuse_the_memory_of_a_batch(rows: torch.Tensor) -> None:
    statistics, buffer = FeatureStatistics(7), torch.empty(33, 7, dtype=torch.float64)
    for batch in rows[:99].split(33):
        statistics.update(buffer.copy_(batch))
    np.testing.assert_allclose(statistics.mean.numpy(), rows[:99].numpy().mean(0), rtol=1e-14)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_merging_uneven_parts_in_any_order_equals_numpy(rows: torch.Tensor, order: tuple[int, ...]) -> None:
    parts = [statistics_of(part) for part in rows.split([1, 2000, 100])]
    merged = FeatureStatistics(7)
    for index in order:
        merged = merged.merge(parts[index])
    assert merged.count == 2101
    np.testing.assert_allclose(merged.mean.numpy(), rows.numpy().mean(0), rtol=1e-14)
    expected = np.cov(rows.numpy(), rowvar=False)
    np.testing.assert_allclose(merged.covariance.numpy(), expected, rtol=1e-10, atol=1e-11)


def test_merging_changes_neither_part(rows: torch.Tensor) -> None:
    first, second = statistics_of(rows[:10]), statistics_of(rows[10:])
    before = {name: tensor.clone() for name, tensor in first.to_tensors().items()}
    first.merge(second)
    assert all(torch.equal(before[name], tensor) for name, tensor in first.to_tensors().items())


def test_storage_keeps_every_bit(rows: torch.Tensor) -> None:
    stored = statistics_of(rows).to_tensors()
    again = FeatureStatistics.from_tensors(stored).to_tensors()
    assert set(again) == {"count", "mean", "scatter"}
    assert all(torch.equal(stored[name], again[name]) for name in stored)


def test_float32_features_are_gathered_in_float64() -> None:
    rows = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0)) + 1000
    expected = np.cov(rows.double().numpy(), rowvar=False)
    np.testing.assert_allclose(statistics_of(rows).covariance.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_damaged_features_are_refused(bad: float) -> None:
    statistics = FeatureStatistics(2)
    statistics.update(torch.tensor([[1.0, 2.0], [bad, 0.0]]))
    with pytest.raises(EvaluationError, match="NaN or infinity"):
        _ = statistics.mean


def test_wrong_shapes_and_too_few_features_are_refused() -> None:
    statistics = FeatureStatistics(2)
    with pytest.raises(EvaluationError, match=r"\[B, 2\]"):
        statistics.update(torch.zeros(4, 3))
    statistics.update(torch.zeros(1, 2))
    with pytest.raises(EvaluationError, match="at least 2"):
        _ = statistics.covariance
    with pytest.raises(EvaluationError, match="dimension 3"):
        statistics.merge(statistics_of(torch.zeros(4, 3)))
    with pytest.raises(EvaluationError, match="lack scatter"):
        FeatureStatistics.from_tensors({"count": torch.tensor(1), "mean": torch.zeros(2)})
    with pytest.raises(EvaluationError, match="disagree"):
        FeatureStatistics.from_tensors({"count": torch.tensor(1), "mean": torch.zeros(2), "scatter": torch.zeros(2, 3)})
