"""Everything about a study that can be wrong and be known in seconds: every trial is a recipe, and checked as one."""

from __future__ import annotations

from collections.abc import Iterable

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan import systems
from papergan.config import mode_stress
from papergan.config.checked import Experiment, ModeStress, Search, Study
from papergan.config.mode_stress import ModeStressRecipe
from papergan.config.papers import short_name
from papergan.config.registry import discover, studies
from papergan.config.study import ExperimentTrial, SearchRecipe, StudyRecipe, search_trials, trials_of
from papergan.data.library import ImageLibrary
from papergan.data.memory import check_memory
from papergan.errors import PaperganError, RecipeError, did_you_mean
from papergan.hooks.experiment_checks import faults_of_experiment, locate_weights
from papergan.messages import quoted
from papergan.reporting.published_results import published_rows


def preflight_studies(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Study | Search | ModeStress]:
    """The checked studies of the pipeline, every variant of every trial built once.

    Raises RecipeError where recipes are faulty, with all faults together, and what looking for weights raises.
    """
    asked = [name for name in (*studies(), "fd_search") if f"params:{name}" in pipeline.inputs()]
    recipes = {name: catalog.load(f"params:{name}") for name in discover()} if asked else {}
    checked: list[Study | Search | ModeStress] = [*_stress_test(pipeline, catalog)]
    for name in asked:
        given = catalog.load(f"params:{name}")
        if name == "fd_search":
            search = SearchRecipe.parse(name, given)
            trials = tuple(search_trials(name, search, recipes))
            checked.append(Search(name, search, trials))
        else:
            study = StudyRecipe.parse(name, given)
            _check_tables(name, study, catalog)
            trials = tuple(trials_of(name, study, recipes))
            checked.append(Study(name, study, trials))
        _check(name, trials, catalog.load("image_library"))
    return checked


def _check_tables(name: str, study: StudyRecipe, catalog: CatalogProtocol) -> None:
    """Raises RecipeError for a published table that the study's paper does not have."""
    if study.tables is None:
        return
    known = {row.table for row in published_rows(catalog.load("published")) if row.paper == study.paper}
    for table in study.tables:
        if table not in known:
            raise RecipeError(
                f"{name}.tables: {short_name(study.paper)} has no {quoted(table)}{did_you_mean(table, known)}"
            )


def _stress_test(pipeline: Pipeline, catalog: CatalogProtocol) -> list[ModeStress]:
    """The checked stress test where the pipeline has it, the first of each kind of trial built once."""
    name = "mode_stress_test"
    if f"params:{name}" not in pipeline.inputs():
        return []
    recipe = ModeStressRecipe.parse(name, catalog.load(f"params:{name}"))
    trials = mode_stress.trials_of(recipe)
    known, faults = set(recipe.levels), []
    for place, claim in enumerate(recipe.claims):
        for level in (*claim.treatment, *claim.baseline):
            if level not in known:
                faults.append(f"{name}.claims.{place}: unknown level {quoted(level)}{did_you_mean(level, known)}")
    for target, how in recipe.targets.items():
        try:
            check_memory("counting modes", 2 * 16 * recipe.samples * len(how.mixture().centres), "lower samples")
        except (ValueError, PaperganError) as error:
            faults.append(f"{name}.targets.{target}: {error}")
    for level, trial in {trial.level: trial for trial in trials}.items():
        try:
            systems.build(recipe.system, mode_stress.POINT, trial.settings, seed=trial.seed)
        except RecipeError as error:
            faults.append(f"{name}.levels.{level}: {error}")
    if faults:
        raise RecipeError("; ".join(faults))
    return [ModeStress(name, recipe, tuple(trials))]


def _check(name: str, trials: Iterable[ExperimentTrial], library: ImageLibrary) -> None:
    variants = {trial.recipe.variant: Experiment(f"{name}: {trial.name}", trial.recipe) for trial in trials}
    faults = [fault for variant in variants.values() for fault in faults_of_experiment(variant, library, None)]
    if faults:
        raise RecipeError("; ".join(faults))
    for variant in variants.values():
        locate_weights(f"{name}.common.evaluation", variant.recipe.evaluation)
