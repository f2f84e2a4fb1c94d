"""The search of a study: its space, its objective, and what is refused."""

from __future__ import annotations

import pytest

from papergan.config.study import StudyRecipe
from papergan.config.sweep import Parameter, SweepSettings, nested
from papergan.errors import RecipeError

SEARCH = {
    "experiment": "one", "objective": "domain_fid", "trials": 5,
    "space": {
        "overrides.learning_rate": {"log_uniform": [1e-5, 1e-2]}, "overrides.beta1": {"uniform": [0, 0.9]},
        "overrides.width": {"integer": [4, 8]}, "training.batch_size": {"choice": [16, 32]},
    },
}  # fmt: skip


def settings(**changes) -> SweepSettings:
    return SweepSettings.parse("s", SEARCH | changes)


def test_a_space_has_ranges_and_choices_by_the_dotted_names_of_settings():
    space = settings().space
    assert [parameter.values for parameter in space.values()] == [(1e-5, 1e-2), (0.0, 0.9), (4, 8), (16, 32)]
    found = [space["overrides.width"].contains(value) for value in (4, 8, 9, 4.0, 4.5, True, None)]
    assert found == [True, True, False, True, False, False, False]
    assert [space["training.batch_size"].contains(value) for value in (16, 16.0, 24)] == [True, True, False]
    assert [Parameter.parse("p", {"choice": [1, "a"]}).contains(value) for value in (1.0, True)] == [True, False]
    assert Parameter.parse("p", {"choice": [None, 1, True]}).values == (None, 1, True)
    assert nested({"overrides.width": 4, "training.epochs": 2.0}) == {
        "overrides": {"width": 4},
        "training": {"epochs": 2.0},
    }


def test_settings_are_called_by_their_last_part_where_it_is_theirs_alone():
    space = {name: {"uniform": [0.1, 0.2]} for name in ("overrides.epochs", "training.epochs", "overrides.beta1")}
    assert [*settings(space=space).labels.values()] == ["overrides.epochs", "training.epochs", "beta1"]


@pytest.mark.parametrize(
    ("objective", "direction", "extractor"),
    [("domain_fid", "minimize", "domain"), ("is_mean", "maximize", "inception"),
     ("domain64_fid", "minimize", "domain64"), ("parzen_ll_historical", "maximize", None)],
)  # fmt: skip
def test_the_direction_is_that_of_the_metric(objective, direction, extractor):
    search = settings(objective=objective)
    assert (search.direction, search.extractor) == (direction, extractor)


def test_what_may_end_a_trial_early_belongs_to_its_key_and_the_budget_does_not():
    assert settings().pruning == ""
    median = settings(pruner="median")
    assert median.pruning
    assert settings(pruner="median", trials=50, minutes=3.0, winners=0).pruning == median.pruning
    assert settings(pruner="median", seed=1).pruning != median.pruning


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"space": {}}, r"s\.space: .*at least 1"),
        ({"space": {"a": {}}}, r"s\.space\.a: give exactly one of uniform, log_uniform, integer, choice, got none"),
        ({"space": {"a": {"uniform": [0, 1], "choice": [1, 2]}}}, "got uniform and choice"),
        ({"space": {"a": {"uniform": [1.0, 1.0]}}}, r"s\.space\.a: uniform: expected a lower and a higher end"),
        ({"space": {"a": {"integer": [3, 1]}}}, "integer: expected a lower and a higher end"),
        ({"space": {"a": {"log_uniform": [0.0, 1.0]}}}, "log_uniform: a logarithm needs ends above 0"),
        ({"space": {"a": {"log_uniform": ["1e-5", 1.0]}}}, "write 1.0e-5 without quotes"),
        ({"space": {"a": {"choice": [1]}}}, r"s\.space\.a\.choice: .*at least 2"),
        ({"space": {"a": {"choice": [1, 1]}}}, "choice: each once"),
        ({"space": {"a": {"unifrom": [0, 1]}}}, "unknown key 'unifrom'; did you mean 'uniform'"),
        ({"objective": "domain_fd"}, "objective: no metric to be better at: 'domain_fd'; did you mean 'domain_fid'"),
        ({"objective": "domain_copy_rate"}, "no metric to be better at: 'domain_copy_rate'"),
        ({"objective": "domain_ppl", "pruner": "median"}, "domain_ppl is measured at the end alone; set pruner: none"),
        ({"objective": "psnr_y", "pruner": "median"}, "psnr_y is measured at the end alone; set pruner: none"),
        ({"pruner": "medain"}, "s.pruner: Input should be 'none', 'median', 'hyperband' or 'asha'"),
        ({"trials": 0}, "s.trials"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(changes, fault):
    with pytest.raises(RecipeError, match=fault) as caught:
        settings(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "give grids of at least one entry, or a search in their place"),
        ({"search": SEARCH, "grids": {"g": {"experiments": ["one"]}}}, "either grids, .* or a search .*, not both"),
        ({"search": SEARCH, "factors": {}}, "unknown key 'factors'"),
    ],
)
def test_a_study_has_grids_or_a_search(given, fault):
    with pytest.raises(RecipeError, match=fault):
        StudyRecipe.parse("s", {"paper": "song2023", **given})
