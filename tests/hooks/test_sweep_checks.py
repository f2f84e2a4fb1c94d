"""What is known to be wrong with a sweep before anything runs."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog, MemoryDataset

from papergan.config.registry import discover
from papergan.errors import RecipeError
from papergan.hooks import sweep_checks
from papergan.hooks.study_checks import check_study
from papergan.inference.model_library import ModelLibrary
from pipelines.test_experiment import shapes
from pipelines.test_sweep import NAME, RECIPE, RECIPES

LIKELIHOOD = RECIPE["common"]["evaluation"] | {"parzen_samples": 100, "parzen_validation": 10}


def check(tmp_path, common=None, workers=None, **search):
    given = (
        RECIPE
        | {"workers": workers or {}}
        | {"common": RECIPE["common"] | (common or {}), "search": RECIPE["search"] | search}
    )
    libraries = {"image_library": shapes(tmp_path), "model_library": ModelLibrary(tmp_path)}
    catalog = DataCatalog({name: MemoryDataset(one, copy_mode="assign") for name, one in libraries.items()})
    parameters = dict.fromkeys(discover(), RECIPES["dcgan_cifar10"]) | {NAME: given}
    for name, value in parameters.items():
        catalog[f"params:{name}"] = value
    return check_study(NAME, catalog)


def test_a_sweep_knows_its_recipe_and_how_often_a_trial_is_evaluated(tmp_path):
    sweep = check(tmp_path)
    assert sweep.base.settings()["learning_rate"] == 2e-4
    assert sweep.evaluations == 1
    assert sweep.planned == 6 + 2 * 1
    assert check(tmp_path, trials=7).digest != sweep.digest == check(tmp_path).digest


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"space": {"overrides.learning_rat": {"uniform": [0.1, 0.2]}}},
         "search.space: no setting 'overrides.learning_rat' of dcgan_cifar10; did you mean 'overrides.learning_rate'"),
        ({"space": {"seed": {"integer": [0, 5]}}}, "no setting 'seed' of dcgan_cifar10; expected overrides.NAME"),
        ({"space": {"training.device": {"choice": ["cpu", "cuda"]}}}, "no setting 'training.device'"),
        ({"space": {"overrides.width": {"uniform": [4.0, 8.0]}}}, "space.overrides.width, 4.0: .*valid integer"),
        ({"space": {"overrides.beta1": {"uniform": [0.0, 2.0]}}}, "space.overrides.beta1, 2.0: .*less than 1"),
        ({"space": {"training.epochs": {"uniform": [1.0, 2.0]}}}, "training.epochs, 1.0: .*exactly one of epochs"),
        ({"experiment": "dcgan_cifar"}, "experiment: unknown experiment 'dcgan_cifar'; did you mean 'dcgan_cifar10'"),
        ({"objective": "fid"}, "objective: fid is not measured: the recipe's extractors are domain"),
        ({"objective": "domain_ppl", "pruner": "none"}, r"where sweep\.common\.evaluation\.path_samples is 0"),
        ({"objective": "psnr", "pruner": "none"}, "objective: psnr is measured of systems that translate images alone"),
        ({"objective": "content_kept", "pruner": "none"}, "content_kept is measured of clips alone"),
        ({"objective": "code_error", "pruner": "none"}, "code_error is measured of systems with an encoder alone"),
        ({"objective": "domain_ppl_w", "pruner": "none"}, "domain_ppl_w is measured of systems with styles alone"),
        ({"objective": "domain_class_accuracy"}, "is measured of systems that are asked for a class alone"),
        ({"objective": "parzen_ll_historical", "common": {"validation": 10, "evaluation": LIKELIHOOD}},
         r"pruner: median needs the objective .*: set sweep\.common\.evaluation\.parzen_while_training=true, or"),
        ({"common": {"training": {"steps": 1}}}, "pruner: median needs more evaluations .* there are 0: lower sweep"),
        ({"warmup_evaluations": 1}, "than warmup_evaluations, 1, and there are 1: lower sweep"),
        ({"space": {"overrides.width": {"choice": [8, 10**8]}}}, "sweep: "),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_in_one_line(tmp_path, changes, fault):
    with pytest.raises(RecipeError, match=fault) as caught:
        check(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_a_likelihood_that_is_measured_during_training_may_prune(tmp_path):
    common = {"validation": 10, "evaluation": LIKELIHOOD | {"parzen_while_training": True}}
    assert check(tmp_path, common, objective="parzen_ll_historical").evaluations == 1


def test_its_trials_are_not_trained_at_once(tmp_path):
    with pytest.raises(RecipeError, match=r"sweep\.workers: a search trains one trial after another"):
        check(tmp_path, workers={"jobs": 2})


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_checks, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"sweep: a search needs optuna and plotly: pip install 'papergan\[sweeps\]'"):
        check(tmp_path)
