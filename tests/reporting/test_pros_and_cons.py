"""Pros and cons against numbers: which side is right, and what nothing measures."""

from __future__ import annotations

from dataclasses import replace
from operator import gt
from pathlib import Path

import pytest
import yaml

from papergan.errors import EvaluationError
from papergan.reporting.pros_and_cons import Measure, read_statements, statement_table, verdict, verdict_by
from papergan.reporting.seed_groups import Measured

FILE = Path(__file__).resolve().parents[2] / "conf/base/pros_and_cons.yml"


def statements(**changes):
    entry = {"table": 4, "loss": ["ls"], "side": "pro", "statement": "s", "property": "collapse", "baseline": ["bce"]}
    return read_statements({"gan_optimisation_review": [entry | changes]}, "gan_optimisation_review")


def gauges(ls, bce, *, higher=True, runs=3):
    values = {"ls": Measured(ls, 0.1, runs), "bce": Measured(bce, 0.1, runs)}
    return {"collapse": [Measure("modes", higher, values)]}


@pytest.mark.parametrize(
    ("side", "ls", "bce", "higher", "said"),
    [
        ("pro", 8.0, 4.0, True, "holds (1 of 1)"),
        ("con", 8.0, 4.0, True, "reversed (1 of 1)"),
        ("pro", 8.0, 4.0, False, "reversed (1 of 1)"),
        ("con", 8.0, 4.0, False, "holds (1 of 1)"),
        ("pro", 4.2, 4.0, True, "not significant (1 of 1)"),
    ],
)
def test_a_pro_is_better_and_a_con_worse(side, ls, bce, higher, said):
    (row,) = statement_table(statements(side=side), gauges(ls, bce, higher=higher)).to_dict("records")
    assert row["verdict"] == said
    assert row["baseline"].startswith("bce ")


def test_one_seed_tells_nothing():
    (row,) = statement_table(statements(), gauges(8.0, 4.0, runs=1)).to_dict("records")
    assert row["verdict"] == "one seed: unknown (1 of 1)"
    assert verdict(Measured(1.0, None, 3), Measured(2.0, 0.1, 3), lambda a, b: a < b) == "one seed: unknown"
    for runs in ((1, 3), (3, 1)):  # a single run's own deviation is not one over seeds
        assert verdict(*(Measured(float(n), 0.1, n) for n in runs), gt) == "one seed: unknown"


def test_a_loss_is_not_compared_with_itself():
    first, second = statement_table(statements(loss=["ls", "bce"], baseline=["ls", "bce"]), gauges(8.0, 4.0)).to_dict(
        "records"
    )
    assert (first["loss"], first["verdict"], second["verdict"]) == ("ls", "holds (1 of 1)", "reversed (1 of 1)")


def test_a_baseline_of_which_no_run_ended_is_reported():
    (row,) = statement_table(statements(baseline=["gone"]), gauges(8.0, 4.0)).to_dict("records")
    assert (row["baseline"], row["verdict"]) == ("", "no run of the baseline came to an end")


def test_a_loss_that_diverged_with_every_seed_stays_in_the_table():
    measures = {"collapse": [Measure("modes", True, {"ls": Measured(8.0, 0.1, 3)}, frozenset({"bce"}))]}
    (row,) = statement_table(statements(), measures).to_dict("records")
    assert (row["value"], row["baseline"]) == ("8.00 ± 0.1", "bce diverged with every seed")
    assert row["verdict"] == "a side diverged with every seed (1 of 1)"
    (row,) = statement_table(statements(loss=["bce"], baseline=["ls"]), measures).to_dict("records")
    assert (row["value"], row["baseline"]) == ("diverged with every seed", "ls 8.00 ± 0.1")
    assert row["verdict"] == "a side diverged with every seed (1 of 1)"


def test_two_seeds_must_differ_by_more_than_three():
    """Of two a deviation is a guess: by Welch's t-test they decide at 3.04 deviations of the difference, not at 2."""

    def of(value, runs):
        return Measured(value, 1.0, runs)

    assert verdict(of(4.1, 2), of(0.0, 2), gt) == "not significant"
    assert verdict(of(4.4, 2), of(0.0, 2), gt) == "holds"
    assert verdict(of(2.9, 3), of(0.0, 3), gt) == "holds"
    assert verdict(of(2.7, 3), of(0.0, 3), gt) == "not significant"
    same = Measured(1.0, 0.0, 2)
    assert verdict(same, replace(same, value=2.0), gt) == "reversed"
    assert verdict(same, same, gt) == "not significant"


def test_a_side_that_varies_less_lends_the_other_no_degrees_of_freedom():
    """Welch's t of 3.8 with 2 degrees of freedom, p = 0.06; Student's test with 4 would find p = 0.02."""
    steady = Measured(0.0, 0.01, 3)
    assert verdict(Measured(2.2, 1.0, 3), steady, gt) == "not significant"
    assert verdict(Measured(2.6, 1.0, 3), steady, gt) == "holds"
    constant = Measured(0.0, 0.0, 2)  # and t = 7.1 with one degree of freedom, p = 0.09
    assert verdict(Measured(5.0, 1.0, 2), constant, gt) == "not significant"


def test_what_is_best_at_half_is_compared_by_its_distance_from_there():
    def at(value):
        return Measured(value, 0.01, 3)

    for metric in ("two_sample_accuracy", "membership_auc"):
        assert verdict_by(metric, at(0.40), at(0.60)) == "not significant"
        assert verdict_by(metric, at(0.40), at(0.602)) == "not significant"
        assert verdict_by(metric, at(0.45), at(0.60)) == "holds"
        assert verdict_by(metric, at(0.60), at(0.45)) == "reversed"
    assert verdict_by("fid", at(1.0), at(2.0)) == "holds"


def test_what_nothing_measures_stays_in_the_table():
    (row,) = statement_table(statements(property=None), gauges(8.0, 4.0)).to_dict("records")
    assert (row["statement"], row["verdict"]) == ("s", "nothing here measures it")


def test_a_misspelt_statement_is_refused():
    with pytest.raises(EvaluationError, match=r"pros_and_cons.gan_optimisation_review.0: unknown key 'statment'"):
        statements(statment="s")


def test_all_six_tables_are_there_and_every_loss_is_a_level_of_both_studies():
    found = read_statements(yaml.safe_load(FILE.read_text()), "gan_optimisation_review")
    assert {one.table for one in found} == {1, 2, 3, 4, 5, 6}
    base = FILE.parent
    study = yaml.safe_load((base / "parameters_studies.yml").read_text())["loss_study"]
    stress = yaml.safe_load((base / "parameters_tools.yml").read_text())["mode_stress_test"]
    named = {level for one in found for level in (*one.loss, *one.baseline)}
    assert named <= set(study["grids"]["losses"]["factors"]["loss"])
    assert named <= set(stress["levels"])
    assert read_statements({}, "song2023") == []
