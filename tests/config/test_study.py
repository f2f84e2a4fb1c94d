"""Studies: which trials there are, what lies over what, and what is refused."""

from __future__ import annotations

import pytest

from papergan import systems
from papergan.config import mode_stress, vector_study
from papergan.config.checked import TrialPlan
from papergan.config.study import SearchRecipe, StudyRecipe, deep_merge, search_trials, trials_of
from papergan.errors import RecipeError

RECIPES = {
    name: {
        "paper": "song2023", "system": "dcgan", "dataset": data, "overrides": {"width": 8},
        "training": {"epochs": 200.0, "batch_size": 32},
    }
    for name, data in (("one", "cifar10"), ("two", "synthetic_shapes"))
} | {"cft": {"paper": "song2023", "system": "cft_gan", "dataset": "cifar10", "training": {"epochs": 1.0}}}  # fmt: skip
GIVEN = {
    "paper": "song2023", "seeds": [0, 1], "common": {"training": {"epochs": 3.0}},
    "grids": {
        "table": {
            "experiments": ["one", "two"],
            "factors": {
                "rate": {"own": {}, "slow": {"overrides": {"learning_rate": 1e-4}}},
                "law": {"flat": {}, "round": {"overrides": {"prior": "gaussian"}}},
            },
        },
    },
}  # fmt: skip
POINTS = mode_stress.ModeStressRecipe.parse("points", {
    "paper": "lin2018", "steps": 4, "levels": {"gan": {}},
    "targets": {"ring": {"kind": "ring", "modes": 8, "scale": 1.0, "deviation": 0.1}},
})  # fmt: skip
ROWS = vector_study.VectorStudyRecipe.parse(
    "rows", {"paper": "lin2018", "steps": 4, "every_steps": 2, "systems": {"gan": {}}}
)


def trials(**changes):
    return trials_of("study", StudyRecipe.parse("study", GIVEN | changes), RECIPES)


def test_all_combinations_the_first_seed_first():
    found = trials()
    assert len(found) == 2 * 2 * 2 * 2
    assert [trial.recipe.seed for trial in found] == [0] * 8 + [1] * 8
    assert [trial.name for trial in found[:4]] == ["one/own/flat", "one/own/round", "one/slow/flat", "one/slow/round"]
    assert len({trial.key for trial in found}) == 16


def test_common_lies_over_the_experiment_and_levels_over_common():
    trial = trials()[3]
    assert trial.recipe.training.epochs == 3.0
    assert trial.recipe.training.batch_size == 32
    chosen = trial.recipe.settings()
    assert (chosen["width"], chosen["prior"], chosen["learning_rate"]) == (8, "gaussian", 1e-4)
    assert chosen["latent_dim"] == 100  # the system's own
    assert deep_merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}


def test_published_numbers_stand_for_what_no_level_changes():
    assert [trial.as_published for trial in trials()[:4]] == [True, False, False, False]
    assert trials(common={"overrides": {"width": 4}})[0].as_published  # a budget, said at every row
    levels = {"long": {"training": {"epochs": 9.0}}, "small": {"training": {"batch_size": 8}}}
    grids = {"table": {"experiments": ["one"], "factors": {"training": levels}}}
    assert [trial.as_published for trial in trials(grids=grids)[:2]] == [True, False]


def test_cells_of_two_grids_that_agree_are_one():
    grids = GIVEN["grids"] | {"again": {"experiments": ["one"], "factors": {"rate": {"slow": {"overrides": {
        "learning_rate": 1e-4}}}}}}  # fmt: skip
    found = trials(grids=grids)
    again = [trial for trial in found if trial.grid == "again"]
    assert [trial.key for trial in again] == [
        next(c.key for c in found if c.name == "one/slow/flat" and c.recipe.seed == seed) for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    ("common", "same"),
    [
        ({"training": {"epochs": 3.0, "device": "cpu", "save_minutes": 1.0, "resume": False}}, True),
        ({"training": {"epochs": 4.0}}, False),
        ({"training": {"epochs": 3.0}, "evaluation": {"num_samples": 200}}, False),
    ],
)
def test_a_result_is_kept_as_long_as_nothing_changes_that_decides_it(common, same):
    assert (trials(common=common)[0].key == trials()[0].key) is same
    plans = [TrialPlan("a", None, tuple(some)) for some in (trials(common=common), trials())]
    assert (plans[0].digest == plans[1].digest) is same


@pytest.mark.parametrize("kind", ["images", "points", "rows"])
def test_a_default_of_the_system_that_changes_makes_another_trial(kind, monkeypatch):
    """So that no result of an earlier version stands for what this one trains."""
    made = {
        "images": lambda: trials()[0],
        "points": lambda: mode_stress.trials_of(POINTS)[0],
        "rows": lambda: vector_study.trials_of(ROWS)[0],
    }[kind]
    before, resolve = made().key, systems.resolve
    assert made().key == before
    monkeypatch.setattr(systems, "resolve", lambda *given: resolve(*given) | {"ema_decay": 0.5})
    assert made().key != before


def test_a_setting_that_names_its_default_makes_the_same_trial():
    named = trials(common={"training": {"epochs": 3.0}, "overrides": {"latent_dim": 100}})[0]
    assert named.key == trials(common={"training": {"epochs": 3.0}})[0].key


def test_a_score_that_is_off_is_no_part_of_a_result():
    labelled = {"overrides": {"labels": "maps"}}
    grid = {"grids": {"table": {"experiments": ["one"]}}}
    off, share, on = (
        trials(**grid, common={**labelled, "evaluation": given})[0]
        for given in ({}, {"nas_share": 0.25}, {"nas_samples": 50})
    )
    assert off.key == share.key != on.key
    assert not any("nas_" in name or "while_training" in name for name in off.parameters)
    assert {"evaluation.nas_samples", "evaluation.nas_share"} <= set(on.parameters)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seeds": [0, 0]}, "seeds: each once, got"),
        ({"seeds": []}, "seeds"),
        ({"grid": {}}, r"unknown key 'grid'; did you mean 'grids'\?"),
        (
            {"grids": {"t": {"experiments": ["won"]}}},
            r"study\.grids\.t: unknown experiment 'won'; did you mean .*'one'",
        ),
        ({"common": {"overrides": {"widht": 3}}}, r"study\.grids\.table: .*no setting 'widht'; did you mean 'width'"),
        ({"common": {"training": {"steps": 3}}}, "exactly one of epochs, steps and images"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(changes, fault):
    with pytest.raises(RecipeError, match=fault):
        trials(**changes)


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        ({"treatment": ["onw"]}, r"study\.claims\.0: unknown side 'onw'; did you mean 'own' or 'one'\?"),
        ({"metrics": ["fjd"]}, r"no metric to be better at: 'fjd'; did you mean 'fid'"),
        ({"metrics": ["copy_rate"]}, "no metric to be better at: 'copy_rate'"),
        ({"baseline": []}, r"give either a baseline, or in its place `than`"),
        ({"than": "ppl"}, r"give either a baseline, or in its place `than`"),
        ({"baseline": [], "than": "plp"}, r"no metric to be better at: 'plp'"),
        ({"grids": ["tabel"]}, r"unknown grid 'tabel'; did you mean 'table'"),
    ],
)
def test_a_claim_about_nothing_is_refused(claim, fault):
    whole = {"claim": "c", "treatment": ["one"], "baseline": ["two"], "metrics": ["fid"]} | claim
    with pytest.raises(RecipeError, match=fault):
        trials(claims=[whole])


def test_candidates_go_from_one_upward_for_each_experiment_in_turn():
    search = SearchRecipe.parse("s", {"paper": "song2023", "experiments": ["cft"], "most": 3, "seed": 5})
    found = search_trials("fd_search", search, RECIPES)
    assert [(trial.levels["FD"], trial.recipe.settings()["feature_differences"]) for trial in found] == [
        ("1", 1), ("2", 2), ("3", 3),
    ]  # fmt: skip
    assert {trial.recipe.seed for trial in found} == {5}
    with pytest.raises(RecipeError, match="'feature_differences'"):
        search_trials("fd_search", search.model_copy(update={"experiments": ("one",)}), RECIPES)


def test_a_fault_of_many_cells_is_said_once():
    with pytest.raises(RecipeError) as error:
        trials(common={"overrides": {"widht": 3}})
    assert str(error.value).count("widht") == 1
    assert str(error.value).startswith("study.grids.table: one/own/flat: ")
