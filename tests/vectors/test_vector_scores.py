"""Scores of vectors against values that are known, and baselines that lack what they say."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.vectors.scores import GAUSSIAN, INDEPENDENT, TRAINING_ROWS, baseline_rows, vector_scores
from papergan.vectors.settings import VectorData
from papergan.vectors.tables import load_vectors
from papergan.vectors.vectors import VectorSet, VectorSplits


@pytest.fixture(scope="module")
def roll():
    return load_vectors(VectorData(train=1500, test=1500))


def test_units_do_not_matter(roll):
    factor = torch.tensor([1000.0, 0.001, 1.0], dtype=torch.float64)
    splits = VectorSplits(*(VectorSet(one.name, one.values * factor, one.columns) for one in (roll.train, roll.test)))
    rows = baseline_rows(roll, 500)[GAUSSIAN]
    one, other = vector_scores(rows, roll), vector_scores(rows * factor, splits)
    assert one == pytest.approx(other, rel=1e-4)


def test_a_shift_by_a_deviation_has_a_known_distance(roll):
    rows = roll.test.values
    shifted = rows + roll.train.values.std(0, correction=0) * torch.tensor([1.0, 0.0, 0.0])
    assert vector_scores(shifted, roll)["frechet"] == pytest.approx(1.0, rel=1e-3)
    same = vector_scores(rows, roll)
    assert same["frechet"] == pytest.approx(0.0, abs=1e-6)
    assert (same["kolmogorov_smirnov"], same["correlation_error"]) == (0.0, 0.0)


def test_the_kolmogorov_smirnov_statistic_by_hand():
    train = torch.arange(40, dtype=torch.float64)[:, None]
    splits = VectorSplits(VectorSet("rows/train", train, ("a",)), VectorSet("rows/test", train, ("a",)))
    moved = vector_scores(train + 9.5, splits)
    assert moved["kolmogorov_smirnov"] == pytest.approx(0.25)  # ten of forty values lie below all others
    assert "correlation_error" not in moved


def test_correlations_by_hand_and_of_a_collapsed_column(roll):
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(400, generator=draw, dtype=torch.float64)
    both = torch.stack([x, -x], 1)
    splits = VectorSplits(VectorSet("rows/train", both, ("a", "b")), VectorSet("rows/test", both, ("a", "b")))
    assert vector_scores(torch.stack([x, x], 1), splits)["correlation_error"] == pytest.approx(2.0)
    constant = torch.stack([x, torch.zeros(400, dtype=torch.float64)], 1)
    assert vector_scores(constant, splits)["correlation_error"] == pytest.approx(1.0)


def test_baselines_lack_what_they_say(roll):
    rows = baseline_rows(roll, 1500)
    scores = {name: vector_scores(one, roll) for name, one in rows.items()}
    best = scores[TRAINING_ROWS]
    assert best["precision"] > 0.9
    assert scores[GAUSSIAN]["precision"] < 0.5 < scores[GAUSSIAN]["recall"]
    assert scores[GAUSSIAN]["frechet"] < 0.02  # mean and covariance are right
    assert scores[INDEPENDENT]["kolmogorov_smirnov"] < 0.04  # each column is
    assert scores[INDEPENDENT]["precision"] < 0.5
    assert all(one["two_sample_accuracy"] > best["two_sample_accuracy"] + 0.1 for one in (scores[GAUSSIAN],))
    known = {tuple(row) for row in roll.train.values.tolist()}
    assert all(tuple(row) in known for row in rows[TRAINING_ROWS].tolist())


def test_rows_that_cannot_be_scored(roll):
    with pytest.raises(EvaluationError, match=r"\[N >= 2, 3\], got \[5, 2\]"):
        vector_scores(torch.zeros(5, 2), roll)
    with pytest.raises(EvaluationError, match="must be finite"):
        vector_scores(torch.full((5, 3), torch.nan), roll)
