"""Every loss against numbers worked out by hand from its equation."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from papergan.objectives.adversarial import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein, WeightedEnergies

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


def test_least_squares_by_hand():
    scores = SimpleNamespace(real=torch.tensor([0.5, 2.0]), fake=torch.tensor([1.0, -1.0]))
    loss = LeastSquares(fake_target=-1.0, real_target=1.0, aim=0.0)
    assert float(loss.discriminator(scores)) == pytest.approx(0.5 * (0.25 + 1.0) / 2 + 0.5 * (4.0 + 0.0) / 2)
    assert float(loss.generator(scores)) == pytest.approx(0.5 * (1.0 + 1.0) / 2)
    # gan_optimisation_review, eq. 4, has no factor 1/2
    assert float(LeastSquares(aim=0.0, half=False).generator(scores)) == pytest.approx(1.0)


def test_labels_are_smoothed_on_one_side_or_on_both():
    scores = SimpleNamespace(real=torch.tensor([1.0]), fake=torch.tensor([-2.0]))
    soft = [math.log1p(math.exp(x)) for x in (-1.0, 1.0, -2.0, 2.0)]  # of -real, real, fake, -fake
    one, both = NonSaturating(real_target=0.9), NonSaturating(real_target=0.9, fake_target=0.1)
    assert float(one.discriminator(scores)) == pytest.approx(0.9 * soft[0] + 0.1 * soft[1] + soft[2])
    expected = 0.9 * soft[0] + 0.1 * soft[1] + 0.1 * soft[3] + 0.9 * soft[2]
    assert float(both.discriminator(scores)) == pytest.approx(expected)


def test_weighted_energies_by_hand():
    assert float(WeightedEnergies().discriminator(scores())) == pytest.approx(0.3 * -1.25 - 0.5)
    assert float(WeightedEnergies().generator(scores())) == pytest.approx(1.25)
