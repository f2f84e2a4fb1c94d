"""Columns of a study's tables: every factor has one of its own."""

from types import SimpleNamespace

import pytest

from helpers.cards import card, protocol
from papergan.config.checked import TrialPlan
from papergan.config.grid import COLUMNS
from papergan.config.study import ClaimRecipe, StudyRecipe, TrialResult, trials_of
from papergan.errors import RecipeError
from papergan.evaluation.scorecard import ScoreCard
from papergan.metrics.registry import is_score
from papergan.pipelines.study import _notes
from papergan.reporting.comparison_table import OTHER_DATA
from papergan.reporting.published_results import PublishedRow
from papergan.reporting.seed_groups import Measured
from papergan.studies.claims import ClaimResult, claim_results, claim_table
from papergan.studies.seed_groups import ExperimentGroup, grouped
from papergan.studies.tables import summary, trial_table
from papergan.training.history import History

RECIPES = {"one": {"paper": "song2023", "system": "dcgan", "dataset": "cifar10", "training": {"epochs": 1.0}}}


def study(*factors):
    levels = {factor: {"narrow": {"overrides": {"width": 8}}, "wide": {}} for factor in factors}
    grids = {"table": {"experiments": ["one"], "factors": levels}}
    return StudyRecipe.parse("study", {"paper": "song2023", "seeds": [0], "grids": grids})


@pytest.mark.parametrize(
    "factor",
    ["sampling", "seeds", "experiment", "time", "note", "D accuracy", "domain_fid", "precision", "num_samples"],
)
def test_a_factor_cannot_have_the_name_of_another_column(factor):
    with pytest.raises(RecipeError) as caught:
        study("width", factor)
    assert str(caught.value) == (
        f"study.grids.table.factors: tables have another column {factor!r}; give the factor another name"
    )


def test_all_columns_are_known_as_such():
    trial = trials_of("study", study("width"), RECIPES)[1]
    scores = ScoreCard.read("one", card("one", variant=trial.recipe.variant) | {"pruned": "pruned at epoch 1"})
    group = ExperimentGroup(trial, ((0, TrialResult(scores, History())),), ())
    published = [PublishedRow("song2023", "Table I", "cifar10", "fid", "r", 1.0, note="n", experiments=("one",))]
    names = {*summary([group], published).columns, *trial_table([group]).columns} - {"width"}
    named = {name for name in names if not is_score(name) and "@" not in name and "published" not in name}
    named -= {name for name in names if name.startswith(("best_fid.", "best_is."))}
    assert named == COLUMNS


def groups_of(names, seeds=(0,), missing=(), **changes):
    """A group of each of these experiments, with a card for each seed."""
    recipe = {"paper": "song2023", "seeds": [0], "grids": {"table": {"experiments": [*names], "factors": {}}}}
    trials = trials_of("study", StudyRecipe.parse("study", recipe), dict.fromkeys(names, RECIPES["one"]))
    found = []
    for trial in trials:
        done = []
        for seed in seeds:
            scores = ScoreCard.read("one", card(trial.experiment, seed=seed) | changes)
            done.append((seed, TrialResult(scores, History())))
        found.append(ExperimentGroup(trial, tuple(done), tuple(missing)))
    return found


def test_the_published_change_is_that_of_the_same_metric():
    """Not that of the FID beside the mean FID over training."""
    groups = groups_of(["one", "two"])
    for group in groups:
        group.results[0].history.metrics.append({"step": 1.0, "epoch": 1.0, "images": 1.0, "fid": 2.0})
    published = [
        PublishedRow("song2023", "Table I", "cifar10", "fid", name, value, experiments=(name,))
        for name, value in (("one", 4.0), ("two", 3.0))
    ]
    claim = ClaimRecipe(claim="c", treatment=["two"], baseline=["one"], metrics=["fid", "fid_on_the_way"])
    found = {result.metric: result.published for result in claim_results([claim], groups, published)}
    assert found == {"fid": -25.0, "fid_on_the_way": None}


def test_numbers_published_for_other_images_do_not_stand_beside_a_row():
    groups = groups_of(["one", "two"])
    published = [
        PublishedRow("song2023", "Table I", "emoji", "fid", name, value, experiments=(name,))
        for name, value in (("one", 4.0), ("two", 3.0))
    ]
    table = summary(groups, published)
    assert [*table["row"]] == [OTHER_DATA, OTHER_DATA]
    assert not [name for name in table.columns if name.startswith("published")]
    claim = ClaimRecipe(claim="c", treatment=["two"], baseline=["one"], metrics=["fid"])
    assert [result.published for result in claim_results([claim], groups, published)] == [None]


def test_a_claim_says_how_many_of_the_planned_seeds_are_behind_its_values():
    groups = [*groups_of(["one"], (0, 1)), *groups_of(["two"], (0, 1), missing=(2,))]
    claim = ClaimRecipe(claim="c", treatment=["two"], baseline=["one"], metrics=["fid"])
    (line,) = claim_table(claim_results([claim], groups)).to_dict("records")
    assert line["seeds"] == "2 of 3, 2"


def test_numbers_by_two_networks_of_one_label_are_not_compared():
    claim = ClaimRecipe(claim="c", treatment=["two"], baseline=["one"], metrics=["fid"])
    for digest, count in (("i" * 64, 1), ("j" * 64, 0)):
        groups = [*groups_of(["one"]), *groups_of(["two"], protocols=[protocol(extractor_digest=digest)])]
        assert len(claim_results([claim], groups)) == count
        assert len([name for name in summary(groups, []).columns if name.startswith("fid@")]) == 2 - count


def test_seeds_that_all_diverged_settle_a_claim_and_seeds_to_come_do_not():
    failed = {"diverged": "diverged at step 3", "final": {}, "best_fid": None, "best_is": None}
    waiting, settled = (groups_of(["one"], missing=seeds, **failed)[0] for seeds in ((1,), ()))
    assert (waiting.settled, settled.settled) == (False, True)
    claim = ClaimRecipe(claim="c", treatment=["two"], baseline=["one"], metrics=["fid"])
    found = [claim_results([claim], [one, *groups_of(["two"])]) for one in (waiting, settled)]
    assert [[result.verdict for result in results] for results in found] == [[], ["a side diverged with every seed"]]


def test_sampling_is_in_milliseconds_and_ranks_need_a_second_seed_in_every_row():
    scored = {"sampling_seconds": 0.0025, "final": card()["final"] | {"fid_bootstrap": 0.1}}
    several, single = groups_of(["one"], (0, 1), **scored)[0], groups_of(["two"], **scored)[0]
    table = summary([several, single], [])
    (fid,) = [name for name in table.columns if name.startswith("fid@")]
    assert table["sampling ms"].tolist() == ["2.50", "2.50"]
    assert not any("(" in cell for cell in table[fid])
    assert all("(1-2)" in cell for cell in summary([several, *groups_of(["two"], (0, 1))], [])[fid])


def test_the_budget_of_a_row_is_that_of_the_seeds_that_finished_if_there_are_any():
    failed = {"diverged": "diverged at step 3", "final": {}, "best_fid": None, "best_is": None, "images_seen": 64}
    (row,), (alone,) = groups_of(["one"], (0, 1), images_seen=1000), groups_of(["one"], (2,), **failed)
    mixed = ExperimentGroup(row.trial, (*row.done, *alone.done), ())
    found = [summary([group], []).iloc[0] for group in (mixed, alone)]
    assert [line["seeds"] for line in found] == ["0, 1", ""]
    assert [line["images seen"] for line in found] == ["1000.0 ± 0", "64.00"]
    assert found[0]["training s"] == "3600.5 ± 0"


def test_a_trial_of_two_grids_is_counted_once():
    grids = {name: {"experiments": ["one"], "factors": {}} for name in ("first", "second")}
    recipe = StudyRecipe.parse("study", {"paper": "song2023", "seeds": [0, 1], "grids": grids})
    plan = TrialPlan("study", recipe, tuple(trials_of("study", recipe, RECIPES)))
    store = {plan.trials[0].key: TrialResult(ScoreCard.read("one", card("one")), History())}
    groups = grouped(ExperimentGroup, plan.trials, SimpleNamespace(find=store.get))
    assert _notes(plan, groups, [], {})[0] == "1 trials done, 1 not yet"


def test_a_change_is_negative_where_the_treatment_is_lower_whatever_the_sign():
    """As of logarithms, of which both may be below 0."""
    for one, other, change in ((-0.3, -0.1, -200.0), (-0.1, -0.3, 200 / 3), (3.0, 4.0, -25.0), (1.0, -1.0, 200.0)):
        sides = [Measured(value, 0.01, 3) for value in (one, other)]
        assert ClaimResult("", None, None, "checkerboard", "", *sides).change == pytest.approx(change)
