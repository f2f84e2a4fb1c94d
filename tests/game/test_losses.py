"""Every loss against numbers worked out by hand from its equation."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from papergan.game.losses import Hinge, Minimax, NonSaturating, Wasserstein

REAL, FAKE = [2.0, -1.0], [0.5, -3.0]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def scores() -> SimpleNamespace:
    return SimpleNamespace(real=torch.tensor(REAL), fake=torch.tensor(FAKE))


def test_minimax_is_the_value_function_of_eq_1():
    value = sum(math.log(sigmoid(r)) for r in REAL) / 2 + sum(math.log(1 - sigmoid(f)) for f in FAKE) / 2
    assert Minimax().discriminator(scores()).item() == pytest.approx(-value, rel=1e-6)
    generator = sum(math.log(1 - sigmoid(f)) for f in FAKE) / 2
    assert Minimax().generator(scores()).item() == pytest.approx(generator, rel=1e-6)


def test_non_saturating_generator_maximises_log_d():
    expected = -sum(math.log(sigmoid(f)) for f in FAKE) / 2
    assert NonSaturating().generator(scores()).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("target", [1.0, 0.9])
def test_one_sided_smoothing_is_cross_entropy_with_a_soft_real_target(target):
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(torch.tensor(REAL), torch.full((2,), target)) + bce(torch.tensor(FAKE), torch.zeros(2))
    assert NonSaturating(target).discriminator(scores()).item() == pytest.approx(expected.item(), rel=1e-6)


def test_wasserstein_is_a_difference_of_means():
    assert Wasserstein().discriminator(scores()).item() == pytest.approx(-1.25 - 0.5)
    assert Wasserstein().generator(scores()).item() == pytest.approx(1.25)


def test_hinge_ignores_what_is_beyond_the_margin():
    assert Hinge().discriminator(scores()).item() == pytest.approx((0 + 2) / 2 + (1.5 + 0) / 2)
    assert Hinge().generator(scores()).item() == pytest.approx(1.25)


@pytest.mark.parametrize("loss", [Minimax(), NonSaturating(), Wasserstein(), Hinge()])
def test_generators_gain_when_fakes_score_higher(loss):
    fake = torch.tensor(FAKE, requires_grad=True)
    loss.generator(SimpleNamespace(real=None, fake=fake)).backward()
    assert (fake.grad < 0).all()
