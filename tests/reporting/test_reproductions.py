"""Published numbers beside measured ones: errors, verdicts, table."""

from __future__ import annotations

import csv
from math import hypot, sqrt

import pytest
import yaml

from helpers.project_run import PROJECT
from papergan.config.mode_stress import ModeStressRecipe, trials_of
from papergan.datasets.scores import ScoreCardDataset
from papergan.datasets.trial_results import ModeTrialStore
from papergan.errors import EvaluationError
from papergan.reporting.published_results import PublishedNumber, published_numbers
from papergan.reporting.reproductions import (
    MeasuredRun,
    Reproduction,
    reproduction_table,
    reproductions,
    run_table,
    summary,
)
from papergan.studies.measures import run_of_card, run_of_points


def number(**changes):
    given = {
        "paper": "li2015", "number": "likelihood", "place": "table 1", "value": 100.0, "error": 2.0, "precision": 0.5,
        "measured_by": "gmmn", "metric": "ll", "protocol": "theirs",
    }  # fmt: skip
    return PublishedNumber(**given | changes)


def run(value, seed=0, **errors):
    return MeasuredRun(seed, {"ll": value}, errors, 2.0, "a machine")


def found(*values, **changes):
    return Reproduction(number(**changes), tuple(run(value, seed) for seed, value in enumerate(values)))


def closed_form(value):
    published = number(error=None, value=0.5, precision=0.0005)
    return Reproduction(published, (MeasuredRun(0, {"ll": value}, {}, None, ""),))


def test_the_error_is_that_of_the_mean_over_seeds_and_of_one_run_its_own():
    three = found(90.0, 100.0, 110.0)
    assert three.value == pytest.approx(100.0)
    assert three.error == pytest.approx(10.0 / sqrt(3))
    assert three.joint_error == pytest.approx(hypot(2.0, 4.3027 / 2 * 10.0 / sqrt(3)), rel=1e-4)  # of Student's t
    assert found(90.0).error is None
    assert Reproduction(number(), (run(90.0, ll=1.5),)).error == 1.5


@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        (found(), "not measured"),
        (found(104.4), "reproduced, by one seed"),  # twice 2, and 0.5
        (found(104.6), "not reproduced: above, by one seed"),
        (found(95.4), "not reproduced: below, by one seed"),
        (found(104.6, runs=10), "reproduced"),  # one run differs from a mean of ten by more than the mean does
        (found(115.4, runs=10), "reproduced"),  # 2.262 * 2 * sqrt(11), and 0.5
        (found(115.6, runs=10), "not reproduced: above"),
        (found(104.0, 106.0), "reproduced"),  # of two runs a deviation is a guess: 12.7 times the error
        (found(104.0, 105.0, 106.0, error=None), "not reproduced: above"),
        (found(99.0, 101.0, 103.0), "reproduced"),
        (found(20.0, 100.0, 180.0), "inconclusive"),
        (found(104.0, error=24.0), "reproduced, by one seed"),  # twice 24 is less than half of 100
        (found(104.0, error=26.0), "inconclusive, by one seed"),
        (closed_form(0.50049), "reproduced"),
        (closed_form(0.50051), "not reproduced: above"),
        (found(-0.25, error=None, value=-0.25, precision=0.0), "reproduced, by one seed"),
    ],
)
def test_a_verdict_goes_by_twice_the_joint_error_and_the_printed_precision(what, verdict):
    assert what.verdict == verdict


def test_runs_are_joined_by_what_measured_them_and_count_where_they_have_the_metric():
    other = MeasuredRun(1, {"fid": 3.0}, {}, None, "")
    mine, nothing = reproductions([number(), number(measured_by="cgan")], {"gmmn": [run(100.0), other]})
    assert [one.seed for one in mine.runs] == [0]
    assert nothing.verdict == "not measured"
    assert summary([mine, nothing]) == ("1 of 2 published numbers measured, of 1 papers; 1 reproduced, of 1 papers")
    table = reproduction_table([mine, nothing], {"li2015": "Li et al. 2015"}, {"gmmn": "run gmmn", "cgan": "run cgan"})
    assert table.loc[0, "published"] == "100.00 ± 2.00"
    assert table.loc[0, "measured"] == "100.00"
    assert list(table["verdict"]) == ["reproduced, by one seed", "not measured"]
    assert run_table([mine, nothing]).to_dict("records")[0]["value"] == 100.0


def test_seeds_that_diverged_are_named_and_counted_and_are_no_part_of_the_mean():
    lost = [MeasuredRun(seed, {"real_part": 1.0}, {}, 1.0, "", diverged=True) for seed in (1, 2)]
    (some,) = reproductions([number()], {"gmmn": [run(101.0), *lost]})
    assert some.value == 101.0
    assert some.verdict == "reproduced, by one seed; 2 of 3 seeds diverged"
    (all_lost,) = reproductions([number(measured_by="cgan")], {"cgan": lost})
    assert all_lost.verdict == "not reproduced: diverged"
    assert reproductions([number(metric="real_part")], {"gmmn": lost})[0].diverged == ()  # a number that it has
    table = reproduction_table([some, all_lost], {"li2015": "Li et al. 2015"}, {"gmmn": "", "cgan": ""})
    assert list(table["seeds"]) == ["0, 1 diverged, 2 diverged", "1 diverged, 2 diverged"]
    assert summary([some, all_lost]) == "1 of 2 published numbers measured, of 1 papers; 1 reproduced, of 1 papers"


def test_numbers_are_read_with_their_paper_and_refused_where_they_are_wrong():
    given = {
        "number": "n",
        "place": "p",
        "value": -0.25,
        "precision": 0.0,
        "measured_by": "x",
        "metric": "m",
        "protocol": "q",
    }
    read = published_numbers({"li2015": {"dataset": "mnist", "numbers": [given]}})
    assert read[0].paper == "li2015"
    assert read[0].value == -0.25
    assert read[0].error is None
    with pytest.raises(EvaluationError, match=r"li2015.numbers.0.error"):
        published_numbers({"li2015": {"dataset": "mnist", "numbers": [given | {"error": 0.0}]}})
    with pytest.raises(EvaluationError, match="rows of the same name: n"):
        published_numbers({"li2015": {"dataset": "mnist", "numbers": [given, given]}})


def test_the_committed_table_is_made_of_the_committed_score_cards():
    folder = PROJECT / "benchmarks/results/reproductions_cpu"
    numbers = published_numbers(yaml.safe_load((PROJECT / "conf/base/published.yml").read_text()))
    cards = [ScoreCardDataset(filepath=str(path)).load() for path in sorted(folder.glob("scores/*.json"))]
    runs: dict[str, list[MeasuredRun]] = {}
    for card in cards:
        runs.setdefault(card.experiment, []).append(run_of_card(card))
    tools = yaml.safe_load((PROJECT / "conf/base/parameters_tools.yml").read_text())
    store = ModeTrialStore(folder / "points", folder / "points")
    for trial in trials_of(ModeStressRecipe.parse("pacgan_points", tools["pacgan_points"])):
        if (result := store.find(trial.key)) is not None:
            runs.setdefault(f"pacgan_points/{trial.name}", []).append(run_of_points(trial.seed, result))
    assert sum(name.startswith("pacgan_points/") for name in runs) == len([*folder.glob("points/*.json")]) > 0
    trained = [one for one in reproductions(numbers, runs) if one.runs]
    assert trained
    table = (folder / "table.md").read_text().splitlines()
    for one in trained:
        (line,) = [line for line in table if f"| {one.published.number} ({one.published.place}) |" in line]
        assert f"| {one.verdict} |" in line
    lines = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    measured = {(line["number"], int(line["seed"])): float(line["value"]) for line in lines}
    for one in trained:
        for run in one.runs:
            assert measured[one.published.number, run.seed] == pytest.approx(run.values[one.published.metric])
