from __future__ import annotations

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.discriminator import discriminator_accuracy


def test_by_hand() -> None:
    found = discriminator_accuracy(torch.tensor([1.0, 2.0, -1.0, 2.0]), torch.tensor([-3.0, 1.0]))
    assert found.at_zero == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.gap == pytest.approx(1 - -1)
    assert found.at_midpoint == pytest.approx((3 / 4 + 1 / 2) / 2)  # the midpoint is 0 here


def test_a_drifted_critic_that_separates_perfectly_looks_like_chance_at_zero() -> None:
    real, fake = torch.linspace(101, 102, 50), torch.linspace(99, 100, 70)
    found = discriminator_accuracy(real, fake)
    assert found.at_zero == 0.5
    assert found.at_midpoint == 1.0
    assert found.gap == pytest.approx(2, abs=1e-4)


def test_roles_are_not_swapped() -> None:
    real, fake = torch.ones(5), -torch.ones(5)
    assert discriminator_accuracy(real, fake).at_zero == 1
    assert discriminator_accuracy(fake, real).at_zero == 0
    assert discriminator_accuracy(fake, real).gap == -2


def test_a_score_at_the_threshold_is_right_on_neither_side() -> None:
    found = discriminator_accuracy(torch.tensor([0.0, 1.0]), torch.tensor([0.0, -2.0, 1.0, -2.0]))
    assert found.at_zero == (1 / 2 + 2 / 4) / 2
    assert discriminator_accuracy(torch.ones(3), torch.ones(2)).at_midpoint == 0


def test_metric_names() -> None:
    assert discriminator_accuracy(torch.ones(2), -torch.ones(2)).as_metrics() == {
        "discriminator_accuracy_zero": 1.0,
        "discriminator_accuracy_midpoint": 1.0,
        "discriminator_gap": 2.0,
    }


@pytest.mark.parametrize("bad", [torch.ones(0), torch.ones(2, 3), torch.tensor([1.0, float("nan")])])
def test_damaged_scores_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(EvaluationError, match="fake scores"):
        discriminator_accuracy(torch.ones(2), bad)
