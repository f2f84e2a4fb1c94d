"""A metric over runs."""

from helpers.cards import card
from papergan.evaluation.scorecard import ScoreCard
from papergan.metrics.registry import METRICS
from papergan.reporting.seed_groups import Measured, measured, ranks, seed_groups


def test_the_deviation_of_one_value_is_that_of_its_own_run():
    rows = [{"is_std": 9.0}, {"kid_mean": 0.1, "kid_bootstrap": 0.01}, {"fid_bootstrap": 5.0, "fid": 3.0}]
    assert measured("kid_mean", rows) == Measured(0.1, 0.01, 1)
    assert measured("fid", rows) == Measured(3.0, 5.0, 1)


def test_a_difference_of_exactly_two_deviations_separates_no_ranks():
    apart = [Measured(1.0, 1.0, 3), Measured(3.0, 0.0, 3)]
    assert ranks(METRICS["fid"], apart) == ["1-2", "1-2"]
    assert ranks(METRICS["fid"], [apart[0], Measured(3.01, 0.0, 3)]) == ["1", "2"]


def test_a_run_that_diverged_belongs_to_the_newest_group_alone():
    failed = card(seed=2, diverged="diverged at step 3", final={}, best_fid=None, best_is=None)
    cards = [card(steps=10), failed, card(steps=20)]
    groups = seed_groups(ScoreCard.read("one", one) for one in cards)
    found = [(group.newest.steps, [one.seed for one in group.diverged]) for group in groups]
    assert found == [(20, [2]), (10, [])]
