"""Checks of tools before a run, and of parameters from --params that the pipeline does not read."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.atomic_files import path_from
from papergan.config.checked import CompressionPlan, DetectionPlan, Images, Sanity, Settings
from papergan.config.compression import CompressionSettings
from papergan.config.detection import DetectionSettings, images_of
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.registry import LISTED, MODELS, discover, import_by_name, studies
from papergan.config.study import StudyRecipe
from papergan.errors import CheckpointError, DataError, PaperganError, RecipeError, did_you_mean
from papergan.inference.model_folder import output_of
from papergan.inference.model_library import ModelLibrary, name_of
from papergan.messages import quoted, sanitise
from papergan.project import COMMAND
from papergan.training.numerics import choose_device
from papergan.validation import StrictModel


def check_settings(name: str, catalog: CatalogProtocol) -> Settings[Any]:
    """The settings of a tool that needs nothing else. Raises RecipeError for what is misspelt or out of range."""
    return Settings(import_by_name(MODELS[name]).parse(name, catalog.load(f"params:{name}")))


def check_sanity(name: str, catalog: CatalogProtocol) -> Sanity:
    """The recipe of the metric sanity pipeline, its data set and device. Raises RecipeError for unknown names."""
    recipe = SanitySettings.parse(name, catalog.load(f"params:{name}"))
    names = catalog.load("image_library").names
    if recipe.dataset not in names:
        raise RecipeError(
            f"{name}.dataset: unknown data set {quoted(recipe.dataset)}{did_you_mean(recipe.dataset, names)}"
        )
    choose_device(recipe.device)
    return Settings(recipe)


def check_images(name: str, catalog: CatalogProtocol) -> Images:
    """The recipe of evaluate_images, and the folders or files, which exist.

    Raises RecipeError for unknown keys, DataError for paths that are missing.
    """
    recipe = ImagesSettings.parse(name, catalog.load(f"params:{name}"))
    real, fake = (path_of(which, catalog.load(f"params:{which}")) for which in ("real", "fake"))
    held_out = None if recipe.held_out is None else path_of(f"{name}.held_out", recipe.held_out)
    choose_device(recipe.device)
    return Images(recipe, real, fake, held_out)


def check_compression(name: str, catalog: CatalogProtocol) -> CompressionPlan:
    """The settings of the compression, and the location of its generator.

    Raises RecipeError for unknown keys, where no generator is named and where a variant's own generator was trained on
    other images, CheckpointError where there is none.
    """
    recipe = CompressionSettings.parse(name, catalog.load(f"params:{name}"))
    choose_device(recipe.device)
    if not recipe.model:
        raise RecipeError(
            f"{name}.model: which generator? an experiment that was trained here, or a model folder: "
            f"{COMMAND} run --pipelines {name} --params {name}.model=NAME"
        )
    named = {f"{name}.model": recipe.model}
    named |= {f"{name}.variants.{key}.model": one.model for key, one in recipe.variants.items() if one.model}
    models: ModelLibrary = catalog.load("model_library")
    places = {model: _place(where, model, models) for where, model in named.items()}
    trained_on = {where: _images_of(where, model, models) for where, model in named.items()}
    for where, model in named.items():
        if trained_on[where] != trained_on[f"{name}.model"]:
            raise RecipeError(_of_other_images(where, recipe.model, model))
    return CompressionPlan(recipe, name_of(recipe.model), places)


def check_detection(name: str, catalog: CatalogProtocol) -> DetectionPlan:
    """The settings of the detection, and the locations of its generators.

    Raises RecipeError for unknown keys, where no generator is named and where two were trained on different images,
    CheckpointError where there is none.
    """
    recipe = DetectionSettings.parse(name, catalog.load(f"params:{name}"))
    choose_device(recipe.device)
    if not recipe.models:
        raise RecipeError(
            f"{name}.models: which generators? experiments that were trained here, or model folders: "
            f"{COMMAND} run --pipelines {name} --params '{name}.models=NAME NAME'"
        )
    models: ModelLibrary = catalog.load("model_library")
    places: dict[str, Path] = {}
    trained_on: dict[str, object] = {}
    for model in recipe.models:
        where = f"{name}.models"
        place, short = _place(where, model, models), name_of(model)
        places[short] = place
        trained_on[short] = _images_of(where, model, models)
        first = next(iter(trained_on))
        if trained_on[short] != trained_on[first]:
            raise RecipeError(_of_other_images(where, first, short))
    if len(places) < len(recipe.models):
        raise RecipeError(f"{name}.models: each once, got {quoted(list(recipe.models))}")
    return DetectionPlan(recipe, places)


def _place(where: str, model: str, models: ModelLibrary) -> Path:
    """Locate a generator of images from latents. CheckpointError if there is none, RecipeError for another kind."""
    try:
        place, stored = models.place(model), models.model(model)
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}{did_you_mean(model, discover(), LISTED)}") from error
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error
    if "input" in stored.config["image"]:
        raise RecipeError(f"{where}: {quoted(model)} translates images; give a generator that has latents")
    if (output := output_of(stored.config)) != "images":
        raise RecipeError(f"{where}: {quoted(model)} makes {output}; give a generator of images")
    return place


def _images_of(where: str, model: str, models: ModelLibrary) -> Hashable:
    """A key for the images that a model was trained on. Raises CheckpointError if it does not say which."""
    images = images_of(models.model(model))
    if images is None:
        raise CheckpointError(f"{where}: {quoted(model)} does not say what it was trained on; take another model")
    return images


def _of_other_images(where: str, one: str, other: str) -> str:
    return f"{where}: {quoted(one)} and {quoted(other)} were not trained on the same images at the same size"


def path_of(name: str, given: Any) -> Path:
    """The folder or file that `real`, `fake` or `held_out` names. Raises DataError where there is none."""
    if not isinstance(given, str) or not given:
        raise DataError(
            f"{name}: which images? give a folder, a parquet, .npy or .npz file: "
            f"{COMMAND} run --pipelines evaluate_images --params real=DIR,fake=DIR"
        )
    try:
        path = path_from(given).resolve()
    except RecipeError as error:
        raise DataError(f"{name}: {error}") from error
    if not path.exists():
        raise DataError(f"{name}: there is no folder or file {sanitise(path)}")
    return path


def refuse_unread(given: Mapping[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Raise RecipeError for errors in parameters that the command line sets and the pipeline does not read.

    given: as in --params. Parameters that the pipeline reads are left to the full checks.
    """
    read, errors = pipeline.inputs(), []
    for name in given:
        if f"params:{name}" not in read:
            try:
                _check(name, catalog.load(f"params:{name}"))
            except PaperganError as error:
                errors.append(str(error))
    if errors:
        raise RecipeError("; ".join(errors))


def _check(name: str, content: Any) -> None:
    models: dict[str, type[StrictModel]] = dict.fromkeys(discover(), Recipe) | dict.fromkeys(studies(), StudyRecipe)
    if name in MODELS:
        models[name] = import_by_name(MODELS[name])
    if name in models:
        models[name].parse(name, content)
    else:
        path_of(name, content)
