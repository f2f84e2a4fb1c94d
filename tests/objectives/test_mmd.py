"""The maximum mean discrepancy against sums written out, and what it says of equal and of different laws."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from papergan.objectives import mmd
from papergan.objectives.mmd import Discrepancy, squared_discrepancy


def test_by_hand():
    x, y = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[0.0], [2.0], [3.0]]).double()

    def k(a: float, b: float) -> float:
        return math.exp(-((a - b) ** 2) / 2) + math.exp(-((a - b) ** 2) / 8)

    within_x = 2 * k(0, 1) / 2
    within_y = 2 * (k(0, 2) + k(0, 3) + k(2, 3)) / 6
    between = sum(k(a, b) for a in (0, 1) for b in (0, 2, 3)) / 6
    expected = within_x + within_y - 2 * between
    assert float(squared_discrepancy(x, y, (1.0, 2.0))) == pytest.approx(expected, abs=1e-12)


def test_it_has_no_bias_and_sees_a_difference():
    draw = torch.Generator().manual_seed(0)
    same = [float(squared_discrepancy(*torch.randn(2, 20, 3, generator=draw).double(), (1.0,))) for _ in range(400)]
    mean, error = sum(same) / 400, torch.tensor(same).std().item() / 20
    assert abs(mean) < 3 * error
    assert min(same) < 0
    apart = torch.randn(50, 3, generator=draw).double(), torch.randn(50, 3, generator=draw).double() + 2
    assert float(squared_discrepancy(*apart, (1.0,))) > 20 * error


def test_players_want_the_opposite_and_numbers_are_vectors_of_one():
    scores = SimpleNamespace(real=torch.randn(6), fake=torch.randn(6))
    loss = Discrepancy()
    assert float(loss.discriminator(scores)) == -float(loss.generator(scores))
    columns = SimpleNamespace(real=scores.real[:, None], fake=scores.fake[:, None])
    assert float(loss.generator(columns)) == float(loss.generator(scores))


def test_the_generator_is_pulled_towards_the_real_scores():
    fake = torch.full((4,), 3.0) + torch.arange(4) / 10
    fake.requires_grad_()
    Discrepancy().generator(SimpleNamespace(real=torch.zeros(4) + torch.arange(4) / 10, fake=fake)).backward()
    assert (fake.grad > 0).all()  # down the gradient is down to them


def test_a_sample_of_one_has_no_pairs():
    with pytest.raises(ValueError, match="two rows of each side at least, got 1 and 3"):
        squared_discrepancy(torch.zeros(1, 2), torch.zeros(3, 2), (1.0,))


def test_the_biased_estimate_and_its_root_by_hand():
    x, y = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[2.0], [2.0]]).double()

    def k(a: float, b: float) -> float:
        return math.exp(-((a - b) ** 2) / 2)

    expected = (2 + 2 * k(0, 1)) / 4 + 1 - 2 * (2 * k(0, 2) + 2 * k(1, 2)) / 4
    assert float(squared_discrepancy(x, y, (1.0,), biased=True)) == pytest.approx(expected, abs=1e-12)
    scores = SimpleNamespace(real=y, fake=x)
    assert float(Discrepancy((1.0,), root=True).generator(scores)) == pytest.approx(math.sqrt(expected), rel=1e-6)
    assert float(Discrepancy((1.0,), biased=True).generator(scores)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("how", [{}, {"biased": True}])
def test_its_gradient_is_that_of_finite_differences(how, monkeypatch):
    monkeypatch.setattr(mmd, "ROWS_AT_ONCE", 3)
    x, y = torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    torch.autograd.gradcheck(lambda x, y: squared_discrepancy(x, y, (0.7, 2.0), **how), (x, y))


def test_equal_samples_have_a_root_with_a_finite_slope():
    x = torch.randn(5, 3).requires_grad_()
    Discrepancy(root=True).generator(SimpleNamespace(real=x.detach(), fake=x)).backward()
    assert bool(x.grad.isfinite().all())


def test_low_precision_of_networks_does_not_reach_it():
    x, y = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(0))
    plain = squared_discrepancy(x, y, (1.0,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(squared_discrepancy(x, y, (1.0,)), plain)


def test_the_default_kernels_by_hand():
    scores = SimpleNamespace(real=torch.zeros(2), fake=torch.full((2,), 10.0))
    expected = 12 - 2 * sum(math.exp(-50 / s**2) for s in (2, 5, 10, 20, 40, 80))
    assert float(Discrepancy().generator(scores)) == pytest.approx(expected, rel=1e-5)


def test_the_root_of_nothing_is_that_of_the_least_square():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert float(Discrepancy(root=True).generator(SimpleNamespace(real=x, fake=x))) == pytest.approx(1e-6)
