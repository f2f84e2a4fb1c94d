"""Schedules at the steps and epochs where they change."""

from __future__ import annotations

import pytest

from papergan.game.schedules import Between, EpochRamp, ExponentialDecay, PiecewiseConstant, Progress


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
