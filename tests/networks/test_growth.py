"""The schedule of networks that grow, at its corners, and the sizes that have levels."""

from __future__ import annotations

import pytest

from papergan.game.schedules import Progress
from papergan.networks.style_based.growth import Growth, RateByLevel, last_level


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


def test_sizes_have_levels():
    assert [last_level(size) for size in (4, 8, 64, 1024)] == [0, 1, 4, 8]
    for size in (2, 12, 28):
        with pytest.raises(ValueError, match=f"4 times a power of 2, got {size}"):
            last_level(size)
