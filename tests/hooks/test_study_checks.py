"""What is known to be wrong with a study before anything runs."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog, MemoryDataset

from papergan.config.registry import discover
from papergan.errors import EvaluationError, RecipeError
from papergan.hooks.file_checks import locate_files_of
from papergan.hooks.study_checks import check_study
from papergan.inference.model_library import ModelLibrary
from pipelines.test_experiment import GIVEN, shapes

NAME = "study"


def check(tmp_path, levels, **changes):
    """A study of one factor of an experiment."""
    return check_study(NAME, catalog_of(tmp_path, levels, **changes))


def catalog_of(tmp_path, levels, **changes):
    grids = {"table": {"experiments": ["dcgan_cifar10"], "factors": {"factor": levels}}}
    libraries = {"image_library": shapes(tmp_path), "model_library": ModelLibrary(tmp_path)}
    catalog = DataCatalog({name: MemoryDataset(one, copy_mode="assign") for name, one in libraries.items()})
    recipe = GIVEN | {"overrides": {"width": 4, "latent_dim": 4}}
    given = {"paper": "radford2015", "seeds": [0, 1], "grids": grids} | changes
    for name, value in (dict.fromkeys(discover(), recipe) | {NAME: given}).items():
        catalog[f"params:{name}"] = value
    return catalog


BUDGETS = {"short": {"training": {"steps": 2}}, "long": {"training": {"steps": 4}}}


def test_trials_that_share_checkpoints_are_not_trained_at_once(tmp_path):
    assert len(check(tmp_path, BUDGETS).trials) == 4
    with pytest.raises(RecipeError, match=r"study\.workers: '\S*short' and '\S*long' differ in their budget or eval"):
        check(tmp_path, BUDGETS, workers={"jobs": 2})
    rates = {"slow": {"overrides": {"learning_rate": 1e-4}}, "fast": {"overrides": {"learning_rate": 1e-3}}}
    assert len(check(tmp_path, rates, workers={"jobs": 2}).trials) == 4


@pytest.mark.parametrize("order", [["few", "many"], ["many", "few"]])
def test_every_level_of_the_evaluation_is_checked(tmp_path, order):
    counts = {"few": 100, "many": 10**9}
    levels = {name: {"evaluation": {"manifold_samples": counts[name]}} for name in order}
    with pytest.raises(RecipeError, match=r"dcgan_cifar10/many.*manifold_samples"):
        check(tmp_path, levels)


@pytest.mark.parametrize("order", [["with", "without"], ["without", "with"]])
def test_the_weights_of_every_level_are_located(tmp_path, order):
    away = {"inception": True, "inception_weights": str(tmp_path / "w.pt"), "allow_download": False}
    settings = {"with": away, "without": {"inception": False}}
    catalog = catalog_of(tmp_path, {name: {"evaluation": settings[name]} for name in order})
    with pytest.raises(EvaluationError, match=r"study\.common\.evaluation\.inception_weights: there is no file"):
        locate_files_of(NAME, check_study(NAME, catalog), catalog)
