"""Checks of experiments before a run: recipe, data set, devices, memory, disk, weights of extractors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan import systems
from papergan.atomic_files import check_room
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.config.registry import TOOL_PARAMETERS, studies
from papergan.data.images import ImageSpec
from papergan.data.library import ImageLibrary
from papergan.data.memory import check_memory
from papergan.data.preparation import check_resizing
from papergan.data.translation import Domain, Pairs, input_spec
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.errors import DataError, EvaluationError, PaperganError, RecipeError
from papergan.extractors.build import weight_files
from papergan.extractors.fixed_networks import check_fixed
from papergan.extractors.settings import ExtractorSettings
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.hooks.batch_checks import (
    collect_error,
    find_mixture_errors,
    find_packing_errors,
    find_single_image_errors,
)
from papergan.hooks.catalog_checks import find_dataset_errors, find_published_errors
from papergan.hooks.clip_checks import find_clip_errors, find_colour_errors
from papergan.metrics.lpips import lpips_of
from papergan.objectives.fixed_features import fixed_features
from papergan.training.checkpoint import checkpoint_bytes
from papergan.training.numerics import choose_device
from papergan.training.process_group import check_devices

YOUR_IMAGES = "your_images"  # the catalog's data set that a user fills, or replaces by another


def preflight(pipeline: Pipeline, catalog: CatalogProtocol, *, files: bool = True) -> list[Experiment]:
    """The checked recipes of the pipeline's experiments. files: whether data and weights are also located.

    Raises RecipeError where recipes, the catalog or the published numbers have errors, all in one message, and
    EvaluationError for weights.
    """
    inputs = {name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:")}
    names = sorted(inputs - {*TOOL_PARAMETERS, *studies()})
    checked: list[Experiment] = []
    stored = [*find_dataset_errors(pipeline, catalog), *find_published_errors(pipeline, catalog)]
    errors = list(stored)
    for name in names:
        try:
            checked.append(Experiment(name, Recipe.parse(name, catalog.load(f"params:{name}"))))
        except RecipeError as error:
            errors.append(str(error))
    if checked and not stored:
        try:
            library: ImageLibrary = catalog.load("image_library")
        except PaperganError as error:
            errors.append(str(error))
        else:
            for one in checked:
                where = f"{one.name}.checkpoints"
                folder: CheckpointFolder | None = catalog.load(where) if where in pipeline.inputs() else None
                errors += find_experiment_errors(one, library, folder)
    if errors:
        raise RecipeError("; ".join(errors))
    if not files:
        return checked
    ingested = [one for one in checked if f"{one.name}.raw_images" in pipeline.datasets()]
    locate_files(
        {f"{one.name}.dataset": (library, one.recipe) for one in ingested},
        [(f"{one.name}.evaluation", one.recipe.evaluation) for one in checked],
    )
    return checked


def locate_files(
    datasets: Mapping[str, tuple[ImageLibrary, Recipe]], extractors: Iterable[tuple[str, ExtractorSettings]]
) -> None:
    """Locate data sets and weights, each with its place in a recipe; download those that may be downloaded.

    Raises DataError or EvaluationError with everything that is missing in one message.
    """
    missing: dict[str, PaperganError] = {}
    for where, (library, recipe) in datasets.items():
        try:
            library.locate(recipe.dataset)
        except DataError as error:
            missing.setdefault(str(error), DataError(f"{where}: {error}"))
    for where, settings in extractors:
        try:
            locate_weights(where, settings)
        except EvaluationError as error:
            missing.setdefault(type(error).__name__, error)  # once: a second download would fail like the first
            break
    if missing:
        raise type(next(iter(missing.values())))("; ".join(map(str, missing.values())))


def locate_weights(where: str, settings: ExtractorSettings) -> None:
    """Locate the weights of the extractors; download them where that is allowed.

    Raises EvaluationError where one is missing. where: the place of `settings`, as --params takes it.
    """
    try:
        weight_files(settings)
    except EvaluationError as error:
        raise EvaluationError(str(error).replace("evaluation.", f"{where}.")) from error


def find_experiment_errors(
    experiment: Experiment, library: ImageLibrary, checkpoints: CheckpointFolder | None
) -> Iterator[str]:
    """Errors of a valid recipe in its environment: data set, device, system, memory, disk space for checkpoints."""
    name, recipe = experiment
    yield from collect_error(f"{name}.training.device", lambda: choose_device(recipe.training.device))
    yield from collect_error(f"{name}.training.devices", lambda: check_devices(name, recipe.training.devices))
    try:
        as_loaded, count = library.kind_of_images(recipe.dataset, recipe.image_size, recipe.images)
    except DataError as error:
        yield f"{name}.dataset: {error}{_how_to_give(name, recipe)}"
        return
    available = recipe.training_images(count)  # None: the size of a folder is not known yet
    if available is not None and available < 1:
        yield f"{name}.validation: {recipe.validation} of {count} training images leave none to train on; give fewer"
        return
    if available is not None and available < (largest := max(recipe.training.sizes.all)):
        yield f"{name}.training.batch_size: {available} images cannot fill a batch of {largest}"
    known = 0 if recipe.classes else available or 0  # the images of some classes are not counted yet
    yield from collect_error(f"{name}.evaluation", partial(recipe.evaluation.check_places, known))
    training, left = recipe.training, (available or 0) % recipe.training.batch_size
    if not training.drop_last and left % training.devices:
        yield (
            f"{name}.training.devices: {training.devices} devices cannot share the last batch of an epoch, {left} "
            "images, evenly: set training.drop_last=true, or another batch_size"
        )
    try:
        images = image_spec(recipe, as_loaded, library)
    except DataError as error:
        yield f"{name}.{error}"
        return
    if images.frames > 1:
        yield from find_clip_errors(name, recipe, images)
    if images.size != as_loaded.size:
        what = f"{recipe.dataset}/train"
        too_large = [
            *collect_error(f"{name}.image_size", lambda: check_resizing(what, available or 0, images, images.size))
        ]
        yield from too_large
        if too_large:  # networks for them would be as large
            return
    if recipe.input is not None and not isinstance(recipe.input, Domain):
        yield from collect_error(name, lambda: lpips_of(recipe.evaluation, images.size))
    games: list[Game] = []
    yield from collect_error(f"{name}.overrides", lambda: games.append(build_on_cpu(recipe, images)))
    if games and checkpoints is not None:
        yield from collect_error(f"{name}.checkpoints", lambda: _check_room(recipe, games[0], checkpoints))
    yield from _find_memory_errors(name, recipe, games)
    for game in games:
        if images.frames > 1:
            yield from find_colour_errors(name, game, images)
        yield from collect_error(f"{name}.evaluation.truncation", partial(draw_latent, recipe, game))
        for kind in sorted({one.kind for one in fixed_features(game)}):
            yield from collect_error(f"{name}.overrides.content", partial(check_fixed, kind, recipe.evaluation))
        yield from find_packing_errors(name, training, game.images_per_score, left)
        yield from find_mixture_errors(name, training, game)
        yield from find_single_image_errors(f"{name}.training.batch_size", training, game, images, available)


def image_spec(recipe: Recipe, declared: ImageSpec, library: ImageLibrary) -> ImageSpec:
    """The images that the recipe trains on, with their inputs. declared: those of its data set.

    Raises DataError where classes do not exist, or inputs do not fit.
    """
    images = replace(declared, size=recipe.image_size or declared.size)
    if recipe.classes is not None:
        images = replace(images, num_classes=len(recipe.classes))
    if recipe.input is None:
        return images
    domain = None
    if isinstance(recipe.input, Pairs):
        domain = library.pairs_of(recipe.dataset, recipe.input.dataset, recipe.image_size, recipe.images).inputs.spec
    if isinstance(recipe.input, Domain):
        domain, _ = library.kind_of_images(recipe.input.dataset, images.size)
    return replace(images, input=input_spec(recipe.input, images, domain))


def _how_to_give(name: str, recipe: Recipe) -> str:
    """A hint on how to name your own images, for recipes that are made for them; otherwise ""."""
    if recipe.dataset != YOUR_IMAGES:
        return ""
    return f"; name yours, a folder, a .zip or .parquet file: --params {name}.dataset=PATH"


def build_on_cpu(recipe: Recipe, images: ImageSpec) -> Game:
    """Build the game on the CPU, to find errors before the run."""
    return systems.build(recipe.system, images, recipe.overrides, seed=recipe.seed)


def draw_latent(recipe: Recipe, game: Game) -> None:
    """Draw one latent as evaluations do. Raises RecipeError where the prior cannot be truncated."""
    game.sampler().latents(1, recipe.seed, "preflight", progress=Progress(), truncation=recipe.evaluation.truncation)


def _check_room(recipe: Recipe, game: Game, checkpoints: CheckpointFolder) -> None:
    """Check the disk space for the kept checkpoints, one that is being written, and the results."""
    store = checkpoints.open(recipe.fingerprint, recipe.training.keep_checkpoints)
    missing = max(1, recipe.training.keep_checkpoints + 2 - len(store.steps()))
    check_room(store.folder, missing * checkpoint_bytes(game), f"{missing - 1} checkpoints and the results")


def _find_memory_errors(name: str, recipe: Recipe, games: list[Game]) -> Iterator[str]:
    """Errors where evaluation or training needs more memory than there is."""
    evaluation = recipe.evaluation
    samples = max(evaluation.num_samples, evaluation.final_num_samples)
    yield from collect_error(
        f"{name}.evaluation",
        lambda: check_memory(f"features of {samples} samples", evaluation.bytes_of(samples), "lower final_num_samples"),
    )
    if recipe.training.device == "cpu":
        needed = sum(map(checkpoint_bytes, games))  # weights and moments, all of which are in use at once
        yield from collect_error(f"{name}.overrides", lambda: check_memory("training", needed, "lower the sizes"))
