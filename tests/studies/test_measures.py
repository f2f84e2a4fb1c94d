"""Measures of a trial, of results that are made up."""

from types import SimpleNamespace

import pytest

from helpers.cards import card
from papergan.evaluation.scorecard import ScoreCard
from papergan.studies.measures import fid_on_the_way, run_of_card, spread_of_points_loss


def test_the_fid_on_the_way_is_by_inception_where_there_is_one():
    rows = [{"domain_fid": 1.0, "fid": 2.0}, {"step": 2.0}, {"domain_fid": 1.0, "fid": 8.0, "domain64_fid": 1.0}]
    assert fid_on_the_way(SimpleNamespace(history=SimpleNamespace(metrics=rows))) == pytest.approx(4.0)
    others = [{"torchvision_fid": 1.0, "domain_fid": 3.0}]
    assert fid_on_the_way(SimpleNamespace(history=SimpleNamespace(metrics=others))) == pytest.approx(3.0)


def test_the_loss_of_points_is_the_sum_of_the_discriminators_terms():
    rows = [
        {"discriminator.loss": loss, "discriminator.r1": 1.0, "discriminator.gradient_norm": norm, "generator.x": 9.0}
        for loss, norm in ((0.0, 5.0), (4.0, 70.0), (2.0, 0.0), (4.0, 300.0))
    ]
    assert spread_of_points_loss(SimpleNamespace(losses=rows)) == 1.0 / 4.0


def test_a_card_is_a_run_in_minutes_and_has_no_values_if_it_ended_early():
    run = run_of_card(ScoreCard.read("one", card(training_seconds=90.0)))
    assert (run.minutes, run.values["fid"], run.errors["is_mean"]) == (1.5, 30.0, 0.1)
    assert run_of_card(ScoreCard.read("one", card(diverged="diverged at step 3"))).values == {}


def test_the_scores_of_the_best_generators_of_a_card_are_values_of_its_run():
    likeliest = {"epoch": 5, "step": 50, "parzen_ll_historical": 7.0, "parzen_ll_historical_std": 0.25}
    run = run_of_card(ScoreCard.read("one", card(best_likelihood=likeliest)))
    assert run.values["best_likelihood.parzen_ll_historical"] == 7.0
    assert run.errors["best_likelihood.parzen_ll_historical"] == 0.25
    assert run.values["best_fid.fid"] == 25.0
    assert "parzen_ll_historical" not in run.values
