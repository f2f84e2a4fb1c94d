"""Location of the data sets and weights that studies and tools read, before anything is computed."""

from __future__ import annotations

from typing import Any

from kedro.io import CatalogProtocol

from papergan.config.checked import Sweep, TrialPlan
from papergan.config.experiment import Recipe
from papergan.config.study import ExperimentTrial
from papergan.config.tools import ReproductionsRecipe
from papergan.extractors.settings import ExtractorSettings
from papergan.hooks.experiment_checks import locate_files, locate_weights


def locate_files_of(name: str, checked: Any, catalog: CatalogProtocol) -> None:
    """Locate what a study or tool reads; download what may be downloaded, so not in a dry run.

    checked: what its check returned. Raises DataError or EvaluationError with all that is missing in one message.
    """
    if recipes := _recipes(checked):
        evaluations = {recipe.evaluation.model_dump_json(): recipe.evaluation for recipe in recipes}.values()
        library = catalog.load("image_library")
        locate_files(
            {f"{name}: {recipe.dataset}": (library, recipe) for recipe in recipes},
            [(f"{name}.common.evaluation", evaluation) for evaluation in evaluations],
        )
    elif isinstance(settings := getattr(checked, "recipe", None), ExtractorSettings):
        locate_weights(name, settings)


def _recipes(checked: Any) -> list[Recipe]:
    """The recipes that will be trained."""
    if isinstance(checked, Sweep):
        return [checked.base]
    if not isinstance(checked, TrialPlan):
        return []
    if isinstance(checked.recipe, ReproductionsRecipe) and checked.recipe.finished_only:
        return []
    return [trial.recipe for trial in checked.trials if isinstance(trial, ExperimentTrial)]
