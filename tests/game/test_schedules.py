"""Schedules at the steps and epochs where they change."""

from __future__ import annotations

import pytest

from papergan.game.schedules import (
    Between,
    EpochRamp,
    ExponentialDecay,
    Growth,
    PiecewiseConstant,
    Progress,
    RateByLevel,
)  # fmt: skip


def test_a_piecewise_constant_changes_with_its_steps():
    schedule = PiecewiseConstant(0.0, ((49, 0.5), (199, 0.9)))
    assert [schedule(Progress(step)) for step in (0, 48, 49, 198, 199, 5000)] == [0.0, 0.0, 0.5, 0.5, 0.9, 0.9]


def test_an_exponential_decay_stops_at_the_least_value():
    schedule = ExponentialDecay(0.1, 1.000004, 1e-6)
    assert schedule(Progress(0)) == 0.1
    assert schedule(Progress(125_000)) == pytest.approx(0.1 / 1.000004**125_000)
    assert schedule(Progress(10**9)) == 1e-6


def test_a_ramp_takes_a_step_with_each_epoch():
    """Epochs 1 and 250 of a momentum that grows from .5 to .7 in 250, counted from 0."""
    schedule = EpochRamp(0.5, 0.7, 249)
    assert schedule(Progress(epoch=0.99)) == 0.5
    assert schedule(Progress(epoch=1.5)) == pytest.approx(0.5 + 0.2 / 249)
    assert [schedule(Progress(epoch=epoch)) for epoch in (249.0, 400.0)] == pytest.approx([0.7, 0.7])


def test_a_stage_has_a_first_step_and_an_end():
    assert [Between(2, 4)(Progress(step)) for step in range(6)] == [False, False, True, True, False, False]
    assert Between(2)(Progress(10**6))


def growth(first: int = 0, last: int = 2, stable: int = 10, fade: int = 20) -> Growth:
    return Growth(first, last, stable, fade)


def seen(images: int) -> Progress:
    return Progress(images=images)


@pytest.mark.parametrize(
    ("schedule", "levels"),
    [
        (growth(), {0: 0, 9: 0, 10: 0, 15: 0.25, 29: 0.95, 30: 1, 40: 1, 41: 1.05, 59: 1.95, 60: 2, 61: 2, 10**12: 2}),
        (growth(first=1), {0: 1, 10: 1, 20: 1.5, 30: 2, 45: 2}),
        (growth(stable=0), {0: 0, 1: 0.05, 10: 0.5, 20: 1, 30: 1.5, 40: 2, 41: 2}),
        (growth(fade=0), {0: 0, 9: 0, 10: 1, 19: 1, 20: 2, 50: 2}),
        (growth(stable=0, fade=0), {0: 2}),
        (growth(first=2), {0: 2, 15: 2}),
    ],
)
def test_networks_grow_at_the_corners_of_their_schedule(schedule, levels):
    assert {images: schedule(seen(images)) for images in levels} == pytest.approx(levels, abs=1e-12)


def test_a_growth_that_shrinks_is_refused():
    for wrong in ({"first": 3}, {"first": -1}, {"stable": -1}, {"fade": -1}):
        with pytest.raises(ValueError, match="networks grow from a level of 0 or more"):
            growth(**wrong)


def test_rates_are_those_of_the_level_that_fades_in():
    rate = RateByLevel(growth(), (1.0, 2.0, 3.0))
    assert [rate(seen(images)) for images in (0, 10, 11, 30, 40, 41, 99)] == [1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0]
    with pytest.raises(ValueError, match="expected one for each of 3, got 2"):
        RateByLevel(growth(), (1.0, 2.0))
