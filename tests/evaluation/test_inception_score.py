from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.inception_score import inception_score


def one_hot(labels: Tensor, classes: int = 10, confidence: float = 1e4) -> Tensor:
    return torch.nn.functional.one_hot(labels, classes).float() * confidence


def entropy(*shares: float) -> float:
    return -sum(share * math.log(share) for share in shares)


def test_certain_and_balanced_is_the_number_of_classes_and_not_nan() -> None:
    score = inception_score(one_hot(torch.arange(1000) % 10), splits=1)
    assert score.mean == pytest.approx(10, rel=1e-12)
    assert score.log_mean == pytest.approx(math.log(10), rel=1e-12)
    assert score.std == 0


@pytest.mark.parametrize("logits", [one_hot(torch.zeros(100, dtype=torch.int64)), torch.zeros(100, 10)])
def test_one_class_or_no_idea_is_one(logits: Tensor) -> None:
    assert inception_score(logits, splits=4).mean == pytest.approx(1, abs=1e-12)


def test_three_of_ten_classes_is_three_and_unbalanced_is_the_exponential_of_the_entropy() -> None:
    assert inception_score(one_hot(torch.arange(300) % 3), splits=1).mean == pytest.approx(3, rel=1e-12)
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    assert inception_score(one_hot(labels), splits=1).mean == pytest.approx(math.exp(entropy(0.5, 0.3, 0.2)), rel=1e-12)


def test_uncertain_predictions_cost_their_entropy() -> None:
    """Two classes, balanced, each predicted with 0.9: exp(ln 2 - H(0.9, 0.1))."""
    logits = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64).log().repeat(50, 1)
    expected = math.exp(math.log(2) - entropy(0.9, 0.1))
    assert inception_score(logits, splits=1).mean == pytest.approx(expected, rel=1e-12)


def test_agrees_with_torch_fidelity_on_one_split() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * torch.randn(503, 20, generator=torch.Generator().manual_seed(1))
    theirs = reference.isc_features_to_metric(logits, splits=1, shuffle=False)
    assert inception_score(logits, splits=1).mean == pytest.approx(theirs["inception_score_mean"], rel=1e-12)


def test_splits_and_their_deviation_agree_with_torch_fidelity_on_the_same_order() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * torch.randn(103, 5, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(103, generator=torch.Generator().manual_seed(7))
    theirs = reference.isc_features_to_metric(logits[order], splits=10, shuffle=False)
    ours = inception_score(logits, splits=10, seed=7)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-12)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-9)  # ddof 0


def test_the_shuffle_is_seeded_and_protects_ordered_sets() -> None:
    ordered = one_hot(torch.arange(1000) // 100)
    state = torch.get_rng_state()
    assert inception_score(ordered, seed=1) == inception_score(ordered, seed=1)
    assert inception_score(ordered, seed=1).mean != inception_score(ordered, seed=2).mean
    assert inception_score(ordered).mean > 8  # without a shuffle every split would hold one class and score 1
    assert torch.equal(state, torch.get_rng_state())


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(EvaluationError, match="10 splits"):
        inception_score(torch.zeros(9, 3), splits=10)
    with pytest.raises(EvaluationError, match="splits"):
        inception_score(torch.zeros(9, 3), splits=0)
    with pytest.raises(EvaluationError, match="splits"):
        inception_score(torch.zeros(9), splits=1)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(EvaluationError, match="not finite"):
            inception_score(torch.full((9, 3), bad), splits=1)
