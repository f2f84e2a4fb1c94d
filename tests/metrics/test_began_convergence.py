from __future__ import annotations

import math

import pytest

from papergan.errors import EvaluationError
from papergan.metrics.began_convergence import began_measure


def test_in_balance_only_the_reconstruction_counts() -> None:
    assert began_measure(0.2, 0.1, 0.5) == pytest.approx(0.2, rel=1e-12)


def test_either_side_of_the_balance_costs_the_same() -> None:
    assert began_measure(0.2, 0.13, 0.5) == pytest.approx(0.23, rel=1e-12)
    assert began_measure(0.2, 0.07, 0.5) == pytest.approx(0.23, rel=1e-12)


def test_gamma_weighs_the_real_loss_and_the_roles_are_not_swapped() -> None:
    assert began_measure(1.0, 0.0, 0.3) == pytest.approx(1.3, rel=1e-12)
    assert began_measure(0.0, 1.0, 0.3) == 1.0


@pytest.mark.parametrize(
    ("real", "fake", "logged"), [(0.2050, 0.1152, 0.2177), (0.0862, 0.0442, 0.0873), (0.0799, 0.0359, 0.0839)]
)
def test_agrees_with_the_training_log_of_zaika2025(real: float, fake: float, logged: float) -> None:
    assert began_measure(real, fake, 0.5) == pytest.approx(logged, abs=1.5e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1])
def test_losses_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(EvaluationError, match="real reconstruction loss"):
        began_measure(bad, 0.1, 0.5)
    with pytest.raises(EvaluationError, match="fake reconstruction loss"):
        began_measure(0.1, bad, 0.5)


@pytest.mark.parametrize("gamma", [0.0, -0.5, 1.1, math.nan])
def test_gamma_outside_its_range_is_refused(gamma: float) -> None:
    with pytest.raises(EvaluationError, match="gamma"):
        began_measure(0.1, 0.1, gamma)


def test_gamma_may_be_one() -> None:
    assert began_measure(0.1, 0.1, 1.0) == pytest.approx(0.1)
