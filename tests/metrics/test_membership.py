from __future__ import annotations

import math

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.discriminator import membership_auc


def random(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def by_counting(members: torch.Tensor, others: torch.Tensor) -> float:
    pairs = [(member, other) for member in members.tolist() for other in others.tolist()]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def test_separated_swapped_and_equal_scores() -> None:
    low, high = torch.arange(5.0), torch.arange(10.0, 17.0)
    assert membership_auc(high, low) == 1
    assert membership_auc(low, high) == 0
    assert membership_auc(torch.zeros(3), torch.zeros(4)) == 0.5
    assert membership_auc(low, low) == 0.5


def test_the_textbook_example() -> None:
    """Scores 0.35 and 0.8 for what is, 0.1 and 0.4 for what is not: three of four pairs are in order."""
    assert membership_auc(torch.tensor([0.35, 0.8]), torch.tensor([0.1, 0.4])) == 0.75


def test_agrees_with_counting_every_pair_with_and_without_ties() -> None:
    members, others = random(60, 1) + 0.4, random(45, 2)
    assert membership_auc(members, others) == by_counting(members, others)
    members, others = (2 * members).round(), (2 * others).round()
    assert len(set(members.tolist()) & set(others.tolist())) > 3
    assert membership_auc(members, others) == by_counting(members, others)


def test_agrees_with_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    members, others = (3 * random(200, 3)).round() / 9 + 0.1, (3 * random(150, 4)).round() / 9
    scores, labels = torch.cat([members, others]).double().sigmoid(), torch.tensor([1] * 200 + [0] * 150)
    assert membership_auc(members, others) == pytest.approx(float(functional.binary_auroc(scores, labels)), rel=1e-6)


def test_depends_on_the_order_of_the_scores_only() -> None:
    members, others = random(50, 5).double(), random(70, 6).double()
    found = membership_auc(members, others)
    assert membership_auc(members.exp() + 1e3, others.exp() + 1e3) == found
    assert membership_auc(-members, -others) == pytest.approx(1 - found, rel=1e-12)
    assert membership_auc(others, members) == pytest.approx(1 - found, rel=1e-12)


def test_normal_scores_reach_the_closed_form() -> None:
    """N(1, 1) against N(0, 1): Phi(1 / sqrt 2)."""
    found = membership_auc(random(40000, 7) + 1, random(40000, 8))
    assert found == pytest.approx((1 + math.erf(0.5)) / 2, abs=0.005)


@pytest.mark.parametrize("bad", [torch.ones(0), torch.ones(2, 3), torch.tensor([1.0, float("nan")])])
def test_scores_that_cannot_be_ranked_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(EvaluationError, match="members' scores"):
        membership_auc(bad, torch.ones(2))
    with pytest.raises(EvaluationError, match="others' scores"):
        membership_auc(torch.ones(2), bad)
