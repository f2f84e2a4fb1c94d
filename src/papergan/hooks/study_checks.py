"""Checks of studies, searches and tools that train before a run; every trial is checked as a recipe."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol

from papergan import systems
from papergan.config import channel_study, mode_stress, sound_study, vector_study
from papergan.config.channel_study import ChannelStudyRecipe
from papergan.config.checked import (
    ChannelStudy,
    Experiment,
    ModeStress,
    Reproductions,
    Search,
    SoundStudy,
    Study,
    Sweep,
    TrialPlan,
    VectorStudy,
)
from papergan.config.dirac import DiracRecipe
from papergan.config.grid import GridRecipe
from papergan.config.mode_stress import ModeStressRecipe
from papergan.config.papers import find_paper
from papergan.config.registry import discover
from papergan.config.sound_study import SoundStudyRecipe
from papergan.config.study import ExperimentTrial, SearchRecipe, StudyRecipe, search_trials, trials_of
from papergan.config.tools import ANCHORS, ReproductionsRecipe
from papergan.config.vector_study import VectorStudyRecipe, VectorSystem
from papergan.data.allocations import no_more_than_there_is
from papergan.data.memory import check_memory
from papergan.errors import PaperganError, RecipeError, did_you_mean
from papergan.hooks.experiment_checks import find_experiment_errors
from papergan.hooks.model_checks import check_models
from papergan.hooks.sweep_checks import check_sweep
from papergan.messages import quoted
from papergan.reporting.published_results import published_numbers, published_rows
from papergan.sound.mel import mel_filters
from papergan.studies.sound import game as sound_game
from papergan.studies.vectors.trials import vector_spec
from papergan.studies.workers import check_workers
from papergan.training.memory import memory_errors
from papergan.vectors.drawn_vectors import COLUMNS
from papergan.vectors.tables import load_vectors


def check_study(name: str, catalog: CatalogProtocol) -> Study | Sweep:
    """A study's recipe and its trials, with every variant built once; for a sweep, trials at the ends of its space.

    Raises RecipeError with the errors of all recipes in one message.
    """
    study = StudyRecipe.parse(name, catalog.load(f"params:{name}"))
    check_workers(name, study.workers)
    _check_tables(name, study, catalog)
    if study.search is not None:
        if not study.workers.none:
            raise RecipeError(
                f"{name}.workers: a search trains one trial after another, since each suggestion is made from the "
                "results before it; leave out jobs and ray"
            )
        sweep, corners = check_sweep(name, study, _recipes(catalog), catalog.load("image_library"))
        _check(name, corners, catalog)
        return sweep
    trials = tuple(trials_of(name, study, _recipes(catalog)))
    _check_checkpoints(name, () if study.workers.none else trials)
    _check(name, trials, catalog)
    return TrialPlan(name, study, trials)


def _check_checkpoints(name: str, trials: Iterable[ExperimentTrial]) -> None:
    """Raise RecipeError for two trials that share their checkpoints, and so cannot be trained at once."""
    known: dict[str, ExperimentTrial] = {}
    for trial in trials:
        other = known.setdefault(trial.recipe.fingerprint, trial)
        if other.key != trial.key:
            raise RecipeError(
                f"{name}.workers: {quoted(other.name)} and {quoted(trial.name)} differ in their budget or evaluation "
                "alone and share their checkpoints: leave out jobs and ray, which trains one after the other"
            )


def check_search(name: str, catalog: CatalogProtocol) -> Search:
    """A search's recipe and all candidates, checked as in `check_study`."""
    search = SearchRecipe.parse(name, catalog.load(f"params:{name}"))
    trials = tuple(search_trials(name, search, _recipes(catalog)))
    _check(name, trials, catalog)
    return TrialPlan(name, search, trials)


def check_reproductions(name: str, catalog: CatalogProtocol) -> Reproductions:
    """The reproductions' recipe and their trials, as in `check_study`; something measures every published number.

    Raises RecipeError likewise, and for a published number whose experiment or variant does not exist.
    """
    recipe = ReproductionsRecipe.parse(name, catalog.load(f"params:{name}"))
    check_workers(name, recipe.workers)
    grid = GridRecipe(experiments=recipe.experiments)
    study = StudyRecipe(paper=recipe.paper, seeds=recipe.seeds, grids={name: grid})
    trials = tuple(trials_of(name, study, _recipes(catalog), place="experiments"))
    _check_numbers(catalog)
    _check(name, () if recipe.finished_only else trials, catalog)
    return TrialPlan(name, recipe, trials)


def _check_numbers(catalog: CatalogProtocol) -> None:
    """Raise RecipeError for a published number that no experiment or tool measures."""
    variants = DiracRecipe.parse("dirac_gan", catalog.load("params:dirac_gan")).variants
    known = {*discover(), *(f"dirac_gan/{one}" for one in variants), *(f"anchors/{one}" for one in ANCHORS)}
    points = ModeStressRecipe.parse("pacgan_points", catalog.load("params:pacgan_points"))
    known |= {f"pacgan_points/{trial.name}" for trial in mode_stress.trials_of(points)}
    for number in published_numbers(catalog.load("published")):
        if number.measured_by not in known:
            raise RecipeError(
                f"published.yml: {number.paper}, {quoted(number.number)}: measured_by: nothing is called "
                f"{quoted(number.measured_by)}{did_you_mean(number.measured_by, known)}"
            )


def _recipes(catalog: CatalogProtocol) -> dict[str, Any]:
    """The recipes of all experiments, as in the configuration."""
    return {name: catalog.load(f"params:{name}") for name in discover()}


def _check_tables(name: str, study: StudyRecipe, catalog: CatalogProtocol) -> None:
    """Raise RecipeError for a published table that the study's paper does not have."""
    if study.tables is None:
        return
    known = {row.table for row in published_rows(catalog.load("published")) if row.paper == study.paper}
    for table in study.tables:
        if table not in known:
            paper = find_paper(study.paper).short_name
            raise RecipeError(f"{name}.tables: {paper} has no {quoted(table)}{did_you_mean(table, known)}")


def check_mode_stress(name: str, catalog: CatalogProtocol) -> ModeStress:
    """The recipe of a tool on points and its trials, the first of each level built once.

    Raises RecipeError with all errors in one message.
    """
    recipe = ModeStressRecipe.parse(name, catalog.load(f"params:{name}"))
    check_workers(name, recipe.workers)
    trials = mode_stress.trials_of(recipe)
    errors: list[str] = []
    names = [f"{target}/{level}" for target in recipe.targets for level in recipe.levels]
    errors += [
        f"{name}.only: no trial {quoted(one)}{did_you_mean(one, names)}" for one in recipe.only if one not in names
    ]
    for target, mixture_recipe in recipe.targets.items():
        try:
            check_memory(
                "counting modes", 2 * 16 * recipe.samples * len(mixture_recipe.mixture().centres), "lower samples"
            )
        except (ValueError, PaperganError) as error:
            errors.append(f"{name}.targets.{target}: {error}")
    for level, trial in {trial.level: trial for trial in trials}.items():
        try:
            systems.build(recipe.system, mode_stress.POINT, trial.settings, seed=trial.seed)
        except RecipeError as error:
            errors.append(f"{name}.levels.{level}: {error}")
    if errors:
        raise RecipeError("; ".join(errors))
    return TrialPlan(name, recipe, tuple(trials))


def check_channel_study(name: str, catalog: CatalogProtocol) -> ChannelStudy:
    """The recipe of the channel study and its trials. Raises RecipeError with all errors in one message."""
    recipe = ChannelStudyRecipe.parse(name, catalog.load(f"params:{name}"))
    check_workers(name, recipe.workers)
    return TrialPlan(name, recipe, tuple(channel_study.trials_of(recipe)))


def check_sound_study(name: str, catalog: CatalogProtocol) -> SoundStudy:
    """The recipe of the sound study and its trials, each system built once; a folder of WAV files has to exist.

    Raises RecipeError with all errors in one message.
    """
    recipe = SoundStudyRecipe.parse(name, catalog.load(f"params:{name}"))
    check_workers(name, recipe.workers)
    trials, errors = sound_study.trials_of(recipe), []
    try:
        mel_filters(recipe.sounds.rate, recipe.mel.fft, recipe.mel.bands)
    except RecipeError as error:
        errors.append(f"{name}.mel: {error}")
    folder = recipe.sounds.folder
    if folder is not None and not Path(os.path.expanduser(folder)).is_dir():
        errors.append(
            f"{name}.sounds.folder: {quoted(folder)} is not a folder; name one with a subfolder for each class"
        )
    for trial in {trial.place: trial for trial in trials}.values():
        place, advice = f"{name}.systems.{trial.place}", "lower its widths"
        try:
            with memory_errors(place, advice), no_more_than_there_is(place, advice):
                sound_game.build(trial)
        except RecipeError as error:
            errors.append(f"{name}.{error}")
    if errors:
        raise RecipeError("; ".join(errors))
    return TrialPlan(name, recipe, tuple(trials))


def check_vector_study(name: str, catalog: CatalogProtocol) -> VectorStudy:
    """The recipe of the vector study and its trials, each system built once; a table is read.

    Raises RecipeError with all errors in one message.
    """
    recipe, errors = VectorStudyRecipe.parse(name, catalog.load(f"params:{name}")), []
    check_workers(name, recipe.workers)
    columns: tuple[str, ...] = COLUMNS[recipe.vectors.drawn]
    if recipe.vectors.table is not None:
        try:
            columns = load_vectors(recipe.vectors).train.columns
        except PaperganError as error:
            errors.append(f"{name}.vectors.table: {error}")
    for place, one in recipe.systems.items():
        where, advice = f"{name}.systems.{place}", "lower its widths"
        try:
            with memory_errors(where, advice), no_more_than_there_is(where, advice):
                systems.build(one.system, vector_spec(len(columns)), one.overrides, seed=0)
        except RecipeError as error:
            errors.append(f"{where}: {error}")
        else:
            errors += [f"{where}: {why}" for why in _not_for_vectors(one)]
    if errors:
        raise RecipeError("; ".join(errors))
    return TrialPlan(name, recipe, tuple(vector_study.trials_of(recipe)))


def _not_for_vectors(one: VectorSystem) -> Iterator[str]:
    """Why a system that can be built for vectors is not to be trained on them."""
    traits = systems.traits(one.system)
    if "translates" in traits:
        yield f"system {quoted(one.system)} translates images; give one that has latents"
    elif systems.is_conditional(one.system, one.overrides):
        yield "vectors have no classes; leave the override labels out"
    if one.overrides.get("adaptive_augmentation") is not None:
        yield "vectors cannot be augmented as images are; leave the override adaptive_augmentation out"
    if one.normalisation == "standard" and "unbounded_output" not in traits:
        yield f"the generator of system {quoted(one.system)} ends in tanh: leave normalisation at 'range'"


def _check(name: str, trials: Iterable[ExperimentTrial], catalog: CatalogProtocol) -> None:
    """Check the trials as experiments, those that differ in their seed alone once."""
    library = catalog.load("image_library")
    variants = {
        one.recipe.model_dump_json(exclude={"seed"}): Experiment(f"{name}: {one.name}", one.recipe) for one in trials
    }
    errors = [error for variant in variants.values() for error in find_experiment_errors(variant, library, None)]
    if errors:
        raise RecipeError("; ".join(errors))
    check_models({one.name: one.recipe for one in variants.values()}, library, catalog.load("model_library"))
