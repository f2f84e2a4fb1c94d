"""Checks of a sweep before a run: its space, its objective and its pruner, against the recipe that it varies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from papergan import systems
from papergan.config.checked import Sweep
from papergan.config.experiment import Recipe
from papergan.config.registry import discover
from papergan.config.study import EXECUTION_SETTINGS, ExperimentTrial, StudyRecipe
from papergan.config.training import TrainingRecipe
from papergan.data.images import ImageSpec
from papergan.data.library import ImageLibrary
from papergan.errors import PaperganError, RecipeError, did_you_mean
from papergan.hooks.experiment_checks import image_spec
from papergan.messages import quoted
from papergan.metrics.registry import OF_CLIPS, OF_CONDITIONAL, OF_TRANSLATIONS
from papergan.pipelines.experiment.nodes.training import train_settings_of
from papergan.studies.suggestions import suggested_trial
from papergan.training.batch_plan import BatchPlan
from papergan.validation import deep_merge

PACKAGES = ("optuna", "plotly")
OF_ENCODERS = ("code_error", "encoder_1nn_accuracy", "reconstruction_error")
COUNTS = {"ppl": "path_samples", "ppl_w": "path_samples", "parzen_ll_historical": "parzen_samples",
          "cas": "cas_samples", "nas": "nas_samples", "nas_real": "nas_samples", "nas_flips": "nas_samples",
          "intra_fid": "class_samples"}  # fmt: skip
"""Settings of the evaluation that leave out a metric where they are 0."""


def check_sweep(
    name: str, study: StudyRecipe, recipes: Mapping[str, Any], library: ImageLibrary
) -> tuple[Sweep, tuple[ExperimentTrial, ...]]:
    """A sweep, and trials at the ends of its space, one setting at a time. recipes: of all experiments.

    Raises RecipeError with all errors in one message.
    """
    assert study.search is not None
    if missing := [package for package in PACKAGES if find_spec(package) is None]:
        raise RecipeError(f"{name}: a search needs {' and '.join(missing)}: pip install 'papergan[sweeps]'")
    experiment = study.search.experiment
    if experiment not in discover():
        hint = did_you_mean(experiment, discover())
        raise RecipeError(f"{name}.search.experiment: unknown experiment {quoted(experiment)}{hint}")
    given = deep_merge(recipes[experiment], study.common)
    base = Recipe.parse(f"{name}: {experiment}", {**given, "seed": study.seeds[0]})
    sweep = Sweep(name, study, base, 0)
    if errors := [*_find_unknown_settings(sweep)]:
        raise RecipeError("; ".join(errors))
    corners = _corners(sweep)
    spec, count = library.kind_of_images(base.dataset, base.image_size, base.images)
    errors = [*_find_unmeasured(sweep, spec)]
    evaluations = [_evaluations(corner.recipe, spec, count, library) for corner in corners]
    if study.search.pruner != "none" and min(evaluations) <= study.search.warmup_evaluations:
        errors.append(
            f"{name}.search.pruner: {study.search.pruner} needs more evaluations before the end of training than "
            f"warmup_evaluations, {study.search.warmup_evaluations}, and there are {min(evaluations)}: lower "
            f"{name}.common.evaluation.every_epochs (now {base.evaluation.every_epochs:g}), or set pruner: none"
        )
    if errors:
        raise RecipeError("; ".join(errors))
    return sweep._replace(evaluations=max(evaluations)), corners


def _find_unknown_settings(sweep: Sweep) -> Iterator[str]:
    known = {f"overrides.{name}" for name in systems.settings_model(sweep.base.system).model_fields}
    known |= {f"training.{name}" for name in TrainingRecipe.model_fields if name not in EXECUTION_SETTINGS}
    for name in sweep.search.space:
        if name not in known:
            hint = did_you_mean(name, known, "expected overrides.NAME, a setting of the system, or training.NAME")
            yield f"{sweep.name}.search.space: no setting {quoted(name)} of {sweep.search.experiment}{hint}"


def _corners(sweep: Sweep) -> tuple[ExperimentTrial, ...]:
    """Trials with both ends of every range, or all choices, other settings at their first value. Raises RecipeError."""
    search, errors = sweep.search, []
    first = {name: parameter.values[0] for name, parameter in search.space.items()}
    found: list[ExperimentTrial] = []
    for name, parameter in search.space.items():
        for value in parameter.values:
            try:
                found.append(suggested_trial(sweep, 0, first | {name: value}))
            except RecipeError as error:
                message = str(error).removeprefix(f"{sweep.name}, trial 0")
                errors.append(f"{sweep.name}.search.space.{name}, {quoted(value)}: {message.lstrip(':. ')}")
    if errors:
        raise RecipeError("; ".join(dict.fromkeys(errors)))
    return tuple(found)


def _find_unmeasured(sweep: Sweep, images: ImageSpec) -> Iterator[str]:
    evaluation, where = sweep.base.evaluation, f"{sweep.name}.search.objective: {sweep.search.objective}"
    domain = "domain" if images.num_classes else "rotation"
    names = ("inception", "inception64", "domain", "domain64", "torchvision")
    there = {name.replace("domain", domain) for name in names if getattr(evaluation, name)}
    extractor = sweep.search.extractor
    if extractor is not None and extractor not in there:
        yield f"{where} is not measured: the recipe's extractors are {', '.join(sorted(there))}"
    conditional = systems.is_conditional(sweep.base.system, sweep.base.overrides)
    traits = systems.traits(sweep.base.system)
    for metrics, there_is, of in (
        (OF_TRANSLATIONS, sweep.base.input is not None, "systems that translate images"),
        (OF_CLIPS, images.frames > 1, "clips"),
        (OF_CONDITIONAL, conditional, "systems that are asked for a class"),
        (OF_ENCODERS, "codes" in traits, "systems with an encoder"),
        (("ppl_w",), "styles" in traits, "systems with styles"),
    ):
        if sweep.search.metric in metrics and not there_is:
            yield f"{where} is measured of {of} alone"
    count = COUNTS.get(sweep.search.metric)
    if count is not None and not getattr(evaluation, count):
        yield f"{where} is not measured where {sweep.name}.common.evaluation.{count} is 0"
    elif count == "parzen_samples" and sweep.search.pruner != "none" and not evaluation.parzen_while_training:
        yield (
            f"{sweep.name}.search.pruner: {sweep.search.pruner} needs the objective at evaluations during training: "
            f"set {sweep.name}.common.evaluation.parzen_while_training=true, or pruner: none"
        )


def _evaluations(recipe: Recipe, images: ImageSpec, published: int | None, library: ImageLibrary) -> int:
    """Evaluations before the end of training; 1 where the images are not counted yet."""
    count = recipe.training_images(published)
    if count is None:
        return 1
    try:
        game = systems.build(recipe.system, image_spec(recipe, images, library), recipe.overrides, seed=recipe.seed)
        plan = BatchPlan(count, recipe.training.sizes, recipe.training.drop_last)
    except PaperganError:  # reported by the checks of every experiment
        return 1
    settings, each = train_settings_of(recipe, plan.per_epoch, game.batches_per_step, prefix=""), game.batches_per_step
    return plan.passed((settings.steps - 1) * each, settings.evaluate_every * each)
