"""A sweep: suggestions are a function of the results so far, interrupted or not; what is pruned, tabulated, drawn."""

from __future__ import annotations

import math
import re
from functools import partial

import optuna
import pytest
from kedro.framework.cli.utils import _split_params
from kedro.io import DatasetError

from helpers.project_run import score_card
from papergan.config.checked import Sweep
from papergan.config.experiment import Recipe
from papergan.config.study import StudyRecipe, TrialResult, deep_merge
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.optuna_study import OptunaStudyDataset
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.errors import EvaluationError
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines import sweep
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.runner import run_trials
from papergan.studies.suggestions import SuggestedTrials, ranked, settings_of, suggested_trial, with_trials
from papergan.studies.sweep_figures import FIGURES
from papergan.tracking import Tracker
from papergan.training.history import History
from pipelines.test_experiment import GIVEN, played, shapes

NAME = "sweep"
RECIPES = {"dcgan_cifar10": deep_merge(GIVEN, {"overrides": {"width": 4}, "evaluation": {"path_samples": 0}})}
RECIPE = {
    "paper": "radford2015", "seeds": [0, 1], "description": "tiny",
    "common": {
        "overrides": {"learning_rate": 2e-4}, "training": {"horizontal_flip": False}, "evaluation": {"path_samples": 0},
    },
    "search": {
        "experiment": "dcgan_cifar10", "objective": "domain_fid", "pruner": "median", "trials": 6, "winners": 2,
        "startup_trials": 2,
        "space": {
            "overrides.learning_rate": {"log_uniform": [1e-5, 1e-1]}, "overrides.beta1": {"uniform": [0.0, 0.9]},
        },
    },
}  # fmt: skip


def the_sweep(**search) -> Sweep:
    recipe = StudyRecipe.parse(NAME, RECIPE | {"search": RECIPE["search"] | search})
    given = deep_merge(RECIPES["dcgan_cifar10"], recipe.common)
    return Sweep(NAME, recipe, Recipe.parse("dcgan_cifar10", given | {"seed": 0}), 2)


def test_descriptions_and_workers_are_not_part_of_a_sweeps_digest_but_its_budget_is():
    sweep = the_sweep()
    base = sweep.base.model_copy(update={"description": "another"})
    recipe = sweep.recipe.model_copy(update={"description": "another"})
    assert Sweep(NAME, recipe, base, 2).digest == sweep.digest != the_sweep(trials=7).digest


class Store(dict):
    find = dict.get

    def keep(self, key, result):
        self[key] = result


class Trainings:
    """Stands for training: the nearer the rate to 1e-3 the better, rates above 3e-2 diverge. stop: after so many."""

    def __init__(self, stop: int | None = None) -> None:
        self.names, self.stop = [], stop

    def __call__(self, trial, tracker, prune):
        if len(self.names) == self.stop:
            raise KeyboardInterrupt
        self.names.append((trial.name, trial.seed))
        rate, history = trial.recipe.settings()["learning_rate"], History()
        if rate > 3e-2:
            return TrialResult(score_card(diverged="diverged at step 1", generator_digest=None), history)
        for step in (1, 2):
            value = 100.0 / step + 10 * abs(math.log10(rate) + 3) + trial.seed
            history.metrics.append({"step": step, "epoch": float(step), "domain_fid": value})
            if (reason := prune(history.metrics[-1])) is not None:
                return TrialResult(score_card(pruned=reason, generator_digest=None), history)
        history.metrics.append({"step": 3, "epoch": 3.0, "domain_fid": value})
        return TrialResult(score_card(seed=trial.seed, final={"domain_fid": value}), history)


def search(store, trainings, **changes) -> SuggestedTrials:
    suggestions = SuggestedTrials(the_sweep(**changes))
    run_trials(suggestions, partial(trainings, prune=suggestions.prune), store, Tracker(), suggestions.record)
    return suggestions


def summary(study: optuna.Study) -> list:
    return [(one.params, one.state.name, one.value, one.intermediate_values) for one in study.trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("pruner", ["none", "median", "hyperband", "asha"])
def test_a_sweep_that_was_interrupted_goes_on_as_if_it_had_not_been(sampler, pruner):
    choice = {"sampler": sampler, "pruner": pruner, "trials": 9}
    undisturbed = search(Store(), whole := Trainings(), **choice)
    store, names = Store(), []
    for stop in (1, 4, None):
        trainings = Trainings(stop)
        if stop is None:
            resumed = search(store, trainings, **choice)
        else:
            with pytest.raises(KeyboardInterrupt):
                search(store, trainings, **choice)
        names += trainings.names
    assert names == whole.names
    assert summary(resumed.study) == summary(undisturbed.study)
    again = Trainings()
    assert summary(search(store, again, **choice).study) == summary(undisturbed.study)
    assert again.names == []


def test_the_first_trial_is_the_recipe_as_it_stands_and_tpe_learns():
    space = RECIPE["search"]["space"] | {"overrides.learning_rate": {"log_uniform": [1e-5, 1e-2]}}
    study = search(Store(), Trainings(), trials=20, pruner="none", space=space).study
    assert study.trials[0].params == {"learning_rate": 2e-4, "beta1": 0.5}
    late = [abs(math.log10(one.params["learning_rate"]) + 3) for one in study.trials[10:]]
    assert sum(late) / len(late) < 0.6  # at random it is 5/6 on average
    other = search(Store(), Trainings(), trials=3, seed=1, pruner="none").study
    assert other.trials[1].params != study.trials[1].params


@pytest.mark.parametrize(
    ("space", "recipe"),
    [({"overrides.convolution": {"choice": ["depthwise_separable", "standard"]}}, {"convolution": "standard"}),
     ({"overrides.packing": {"integer": [1, 8]}}, {"packing": 1}),
     ({"overrides.dropout": {"choice": [0.5, 0.25, 0]}}, {"dropout": 0}),
     ({"overrides.dropout": {"integer": [0, 1]}}, {"dropout": 0})],
)  # fmt: skip
def test_the_first_trial_is_the_recipe_where_a_setting_is_off_or_a_number_is_written_without_a_point(space, recipe):
    assert all(search(Store(), Trainings(), trials=1, seed=n, space=space).study.trials[0].params == recipe
               for n in range(4))  # fmt: skip


def test_more_trials_begin_with_those_that_were_there():
    store = Store()
    few = search(store, Trainings(), trials=4, winners=0)
    more = search(store, further := Trainings(), trials=7, winners=0)
    assert summary(more.study)[:4] == summary(few.study)
    assert len(further.names) == 3


def test_winners_are_trained_with_the_further_seeds_and_stand_first():
    store = Store()
    suggestions = search(store, trainings := Trainings(), pruner="none")
    study = with_trials(suggestions.sweep, suggestions.study)
    best = [trial.name for trial in study.trials[:2]]
    assert trainings.names[6:] == [(name, 1) for name in best]
    cards = [store[trial.key].card for trial in study.trials[:6]]
    values = [math.inf if card.ended_early else card.final["domain_fid"] for card in cards]
    assert values == sorted(values)
    assert all(trial.key in store for trial in study.trials)


def test_pruned_trials_say_when_and_diverged_ones_fail():
    suggestions = search(store := Store(), Trainings(), trials=30, sampler="random")
    states = {one.state.name for one in suggestions.study.trials}
    assert states == {"COMPLETE", "PRUNED", "FAIL"}
    pruned = next(one for one in suggestions.study.trials if one.state.name == "PRUNED")
    assert pruned.user_attrs["ended early"].startswith("pruned at evaluation 1, epoch 1: domain_fid 1")
    assert store[pruned.user_attrs["trial"]].card.pruned
    assert pruned.intermediate_values.keys() == {1}


def test_a_pruned_trial_is_not_found_by_a_search_that_does_not_prune():
    pruning, plain = (
        with_trials(one.sweep, one.study).trials[0].key
        for one in (search(Store(), Trainings(), trials=1), search(Store(), Trainings(), trials=1, pruner="none"))
    )
    assert pruning != plain


def test_a_trial_that_may_be_pruned_is_not_found_by_a_search_with_another_first_trial():
    """The first trial is the recipe's own, against which others are pruned; their recipes do not show it."""
    values = {"overrides.learning_rate": 1e-3, "overrides.beta1": 0.5}
    for pruner, same in (("asha", False), ("none", True)):
        one = the_sweep(pruner=pruner)
        overrides = one.base.overrides | {"learning_rate": 9e-3}
        other = one._replace(base=one.base.model_copy(update={"overrides": overrides}))
        assert (suggested_trial(one, 1, values).key == suggested_trial(other, 1, values).key) is same


def test_equal_suggestions_are_one_trial_and_one_row():
    space = {"overrides.normalisation": {"choice": ["batch", "layer"]}}
    suggestions = search(Store(), trainings := Trainings(), space=space, pruner="none", winners=0)
    assert len(suggestions.study.trials) == 6
    assert len(with_trials(suggestions.sweep, suggestions.study).trials) == len(trainings.names) == 2


def test_minutes_end_the_search_by_what_training_took():
    assert len(search(Store(), Trainings(), minutes=0.05, pruner="none").study.trials) == 3  # a second each
    space = {"overrides.normalisation": {"choice": ["batch", "layer"]}}
    repeated = search(Store(), trainings := Trainings(), minutes=0.05, pruner="none", space=space, winners=0)
    assert len(repeated.study.trials) == 6  # equal suggestions are trained once
    assert len(trainings.names) == 2


def test_an_objective_that_was_not_measured_ends_the_sweep_with_what_there_is():
    with pytest.raises(
        EvaluationError, match=r"sweep\.search\.objective: domain_recall is not measured; there is .*fid"
    ):
        search(Store(), Trainings(), objective="domain_recall", pruner="none")


def store_in(folder) -> ExperimentTrialStore:
    return ExperimentTrialStore(folder / "trials", folder / "checkpoints")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder, one = tmp_path_factory.mktemp("sweep"), the_sweep(trials=2, startup_trials=1, winners=1)
    inputs = {
        "image_library": shapes(folder), "feature_cache": FeatureCache(folder / "rulers"),
        "model_library": ModelLibrary(folder / "models"), f"{NAME}.tracker": Tracker(),
        f"params:{NAME}": one, f"{NAME}.trials": store_in(folder), "published": {}, "pros_and_cons": {},
    }  # fmt: skip
    outputs = ("finished", "optuna_study", "study_table", "study_samples", "sweep_page")
    pipeline = sweep.create_pipeline(NAME).to_outputs(*(f"{NAME}.{name}" for name in outputs))
    return folder, one, played(pipeline, inputs)


def test_the_table_is_that_of_a_study_with_the_settings_as_columns(finished):
    _, one, catalog = finished
    page, study = catalog.load(f"{NAME}.study_table"), catalog.load(f"{NAME}.optuna_study")
    assert "| experiment | trial | learning_rate | beta1 | seeds |" in page.markdown
    best = ranked(study)[0]
    rate = settings_of(one.search, best.params)["overrides.learning_rate"]
    assert re.search(
        rf"trial {best.number}: domain_fid [\d.]+, seeds 1; [\d.]+ with seed 0, by which alone", page.console
    )
    assert f"dcgan_cifar10.overrides.learning_rate={rate}" in page.console
    assert '--params "dcgan_cifar10.' in page.console
    assert "dcgan_cifar10.training.horizontal_flip=false" in page.console  # of all trials
    assert "path_samples" not in page.console
    assert len(page.csv.splitlines()) == 1 + 2 + 1
    assert len(catalog.load(f"{NAME}.finished")) == 3


def test_settings_that_params_cannot_hold_are_shown_for_a_file(finished):
    folder, one, catalog = finished
    common = {"overrides": {"learning_rates": [0.003, 0.002]}, "training": {"batch_size": 8}}
    other = one._replace(recipe=one.recipe.model_copy(update={"common": common}))
    (said,) = sweep._sentences(other, store_in(folder), catalog.load(f"{NAME}.optuna_study"))
    (given,) = re.findall('--params "(.*?)"', said)
    shown = _split_params(None, None, given)["dcgan_cifar10"]
    assert {*shown["overrides"]} == {"learning_rate", "beta1"}
    assert shown["training"] == {"batch_size": 8}
    assert said.endswith(", and dcgan_cifar10.overrides.learning_rates: [0.003, 0.002] in a file of conf/local")


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ({0: 9.0, 1: 11.0, 2: 13.0}, "12.00 ± 1.41, seeds 1, 2; 9.00 with seed 0"),
        ({0: 9.0, 1: None, 2: 13.0}, "13.00, seeds 2; diverged with seed 1; 9.00 with seed 0"),
        ({0: 9.0, 1: None}, "diverged with seed 1; 9.00 with seed 0"),
        ({0: 9.0}, "9.00 with seed 0"),
    ],
)
def test_a_winners_mean_is_without_the_seed_that_chose_it_and_without_those_that_diverged(scores, shown):
    assert sweep._over_seeds(scores, 0) == f"{shown}, by which alone it was chosen, whose number flatters"


def test_a_training_that_is_pruned_keeps_its_history_and_has_no_scores(finished):
    folder, one, _ = finished
    trainer = ExperimentTrainer(
        shapes(folder), FeatureCache(folder / "rulers"), store_in(folder).checkpoints, ModelLibrary(folder)
    )
    trial = next(iter(SuggestedTrials(one)))
    result = trainer(trial, Tracker(), lambda row: f"pruned at step {row['step']}")
    store_in(folder).keep("pruned", result)
    kept = store_in(folder).find("pruned")
    assert (kept.card.pruned, kept.card.ended_early) == ("pruned at step 2", "pruned at step 2")
    assert (kept.card.steps, kept.card.diverged, kept.card.final, kept.samples) == (2, None, {}, None)
    assert [row["step"] for row in kept.history.metrics] == [2]
    assert not list((folder / "checkpoints").rglob("step-*"))


def test_figures_are_plotlys_and_on_one_page(finished):
    _, _, catalog = finished
    for name in FIGURES:
        figure = catalog.load(f"{NAME}.{name}")
        assert NAME in figure.layout.title.text
        assert figure.to_json()
    page = catalog.load(f"{NAME}.sweep_page")
    assert page.count('class="plotly-graph-div"') == len(FIGURES)
    assert not re.search(r"<script[^>]*\ssrc=", page)  # it needs no network


def test_figures_of_a_sweep_without_a_finished_trial_say_so():
    sweep_, study = the_sweep(), optuna.create_study()
    assert "fewer than two" in FIGURES["sweep_importances"](sweep_, study).layout.annotations[0].text
    assert all(draw(sweep_, study) for draw in FIGURES.values())


def test_the_study_is_kept_as_optuna_reads_it(finished, tmp_path):
    study = search(Store(), Trainings(), trials=4).study
    dataset = OptunaStudyDataset(filepath=str(tmp_path / "journal"))
    dataset.save(study)
    assert summary(dataset.load()) == summary(study)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal")))
    assert optuna.load_study(study_name=None, storage=storage).best_value == study.best_value
    whole = (tmp_path / "journal").read_bytes()
    for damaged in (b"", b"{}\n", whole[:-20], whole.replace(b"op_code", b"opcode")):
        (tmp_path / "journal").write_bytes(damaged)
        with pytest.raises(DatasetError, match="is not a journal of Optuna"):
            dataset.load()
        assert not dataset.exists()
