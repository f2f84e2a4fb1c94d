"""The settings of hybrid_fast that its study turns."""

from __future__ import annotations

import pytest

from helpers.small_systems import small
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.schedules import HalfLife, PiecewiseConstant
from papergan.objectives.adversarial import RelativisticPairing
from papergan.objectives.gradient_penalties import R1, R2


def built(**settings: object) -> Game:
    return systems.build("hybrid_fast", ImageSpec(3, 32), small("hybrid_fast") | settings, seed=0)


def test_the_relativistic_loss_with_both_penalties_in_a_turn_of_their_own():
    game = built(loss="relativistic", fakes_per_real=1, r1=0.1, r2=0.2, r1_interval=4)
    first, penalties, last = game.turns
    assert isinstance(first.objective[0].loss, RelativisticPairing)
    assert isinstance(last.objective[0].loss, RelativisticPairing)
    assert {type(term): term.weight for term in penalties.objective} == {R1: pytest.approx(0.4), R2: pytest.approx(0.8)}
    assert [len(built(r1=0.0, r2=weight).turns) for weight in (0.0, 0.2)] == [2, 3]


def test_a_half_life_takes_the_place_of_the_decay():
    assert built(ema_half_life=1000.0).average.decay == HalfLife(1000.0, 0.05)
    assert built().average.decay == HalfLife(500_000.0, 0.05)
    assert built(ema_half_life=0.0).average.decay == PiecewiseConstant(0.999, ((2000, 0.9999),))
    assert built(ema_half_life=1000.0, ema_decay=0.0).average is None


def test_a_pair_is_one_real_and_one_fake():
    with pytest.raises(RecipeError, match="fakes_per_real is 1, got 2"):
        built(loss="relativistic")
