"""Everything about a run that can be wrong and be known in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan import systems
from papergan.atomic_files import check_room
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe, TrainingRecipe
from papergan.config.registry import TOOL_PARAMETERS, studies
from papergan.data.images import ImageSpec
from papergan.data.library import ImageLibrary
from papergan.data.memory import check_memory
from papergan.data.preparation import check_resizing
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.errors import EvaluationError, PaperganError, RecipeError, did_you_mean
from papergan.extractors.build import weight_files
from papergan.extractors.settings import ExtractorSettings
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.hooks.catalog_checks import find_dataset_errors, find_published_errors
from papergan.messages import quoted
from papergan.randomness import own_random_state
from papergan.training.checkpoint import checkpoint_bytes
from papergan.training.numerics import choose_device
from papergan.training.process_group import check_devices


def preflight(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Experiment]:
    """The checked recipes of the pipeline's experiments.

    Raises RecipeError where recipes, the catalog or the published numbers are faulty, with all faults together, and
    what looking for weights raises.
    """
    inputs = {name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:")}
    names = sorted(inputs - {*TOOL_PARAMETERS, *studies()})
    checked: list[Experiment] = []
    stored = [*find_dataset_errors(pipeline, catalog), *find_published_errors(pipeline, catalog)]
    faults = list(stored)
    for name in names:
        try:
            checked.append(Experiment(name, Recipe.parse(name, catalog.load(f"params:{name}"))))
        except RecipeError as fault:
            faults.append(str(fault))
    if checked and not stored:
        try:
            library: ImageLibrary = catalog.load("image_library")
        except PaperganError as fault:
            faults.append(str(fault))
        else:
            for experiment in checked:
                where = f"{experiment.name}.checkpoints"
                folder: CheckpointFolder | None = catalog.load(where) if where in pipeline.inputs() else None
                faults += find_experiment_errors(experiment, library, folder)
    if faults:
        raise RecipeError("; ".join(faults))
    for name, recipe in checked:
        locate_weights(f"{name}.evaluation", recipe.evaluation)
    return checked


def locate_weights(where: str, how: ExtractorSettings) -> None:
    """Look for, and where it is allowed fetch, what the extractors need.

    Raises EvaluationError where it is missing; settings are named as --params takes them. where: the place of `how`.
    """
    try:
        weight_files(how)
    except EvaluationError as error:
        raise EvaluationError(str(error).replace("evaluation.", f"{where}.")) from error


def find_experiment_errors(
    experiment: Experiment, library: ImageLibrary, checkpoints: CheckpointFolder | None
) -> Iterator[str]:
    """What is wrong with a recipe that is sound in itself: its data, device, settings, and room for checkpoints."""
    name, recipe = experiment
    yield from _collect_error(f"{name}.training.device", lambda: choose_device(recipe.training.device))
    yield from _collect_error(f"{name}.training.devices", lambda: check_devices(name, recipe.training.devices))
    declaration = library.declarations.get(recipe.dataset)
    if declaration is None:
        yield f"{name}.dataset: unknown data set {quoted(recipe.dataset)}{did_you_mean(recipe.dataset, library.names)}"
        return
    counts = [count for count in (declaration.num_train, recipe.train_limit) if count is not None]
    available = min(counts, default=None)  # of a folder nothing is known yet
    if available is not None and available < recipe.training.batch_size:
        yield f"{name}.training.batch_size: {available} images cannot fill a batch of {recipe.training.batch_size}"
    how, left = recipe.training, (available or 0) % recipe.training.batch_size
    if not how.drop_last and left % how.devices:
        yield (
            f"{name}.training.devices: {how.devices} devices cannot share the last batch of an epoch, {left} images, "
            "evenly: set training.drop_last=true, or another batch_size"
        )
    images = replace(declaration.spec, size=recipe.image_size or declaration.spec.size)
    if recipe.image_size is not None:
        what = f"{recipe.dataset}/train"
        too_large = [
            *_collect_error(f"{name}.image_size", lambda: check_resizing(what, available or 0, images, images.size))
        ]
        yield from too_large
        if too_large:  # networks for them would be as large
            return
    games: list[Game] = []
    yield from _collect_error(f"{name}.overrides", lambda: games.append(_build(recipe, images)))
    if games and checkpoints is not None:
        yield from _collect_error(f"{name}.checkpoints", lambda: _check_room(recipe, games[0], checkpoints))
    yield from _find_memory_errors(name, recipe, games)
    for game in games:
        yield from _find_single_image_errors(f"{name}.training.batch_size", how, game, images, available)


def _build(recipe: Recipe, images: ImageSpec) -> Game:
    """Once, on the host, and a latent as it will be drawn, so that what cannot be built is known now."""
    game = systems.build(recipe.system, images, recipe.overrides, seed=recipe.seed)
    game.sampler().latents(1, recipe.seed, "preflight", progress=Progress(), truncation=recipe.evaluation.truncation)
    return game


def _find_single_image_errors(
    where: str, how: TrainingRecipe, game: Game, images: ImageSpec, available: int | None
) -> Iterator[str]:
    """Where training meets a batch of one image, what the game cannot do with it."""
    if how.batch_size == 1:
        which, advice = "a batch", "set another batch_size"
    elif not how.drop_last and available is not None and available % how.batch_size == 1:
        which, advice = "the last batch of an epoch", "set another batch_size, or training.drop_last=true"
        count, each = available // how.batch_size + 1, game.batches_per_step
        if how.total_steps(batches_per_epoch=count, batches_per_step=each) * each < count:
            return  # training ends before it
    else:
        return
    for fault in _collect_error(where, lambda: _run_single_image_step(game, images)):
        yield f"{fault}, and {which} is one image here: {advice}"


def _run_single_image_step(game: Game, images: ImageSpec) -> None:
    """A step on one image, with which much is not defined: statistics of a batch, pairs."""
    with own_random_state(game.device):
        pixels = torch.rand(1, images.channels, images.size, images.size) * 2 - 1
        batch = {"image": pixels, "label": torch.zeros(1, dtype=torch.int64)}
        training_step(game, [batch] * game.batches_per_step, Progress())


def _check_room(recipe: Recipe, game: Game, checkpoints: CheckpointFolder) -> None:
    """Room for what is kept, for one more while it is written, and for results, which are smaller than another."""
    store = checkpoints.open(recipe.fingerprint, recipe.training.keep_checkpoints)
    missing = max(1, recipe.training.keep_checkpoints + 2 - len(store.steps()))
    check_room(store.folder, missing * checkpoint_bytes(game), f"{missing - 1} checkpoints and the results")


def _find_memory_errors(name: str, recipe: Recipe, games: list[Game]) -> Iterator[str]:
    """What would be killed, for want of memory, after hours."""
    how = recipe.evaluation
    samples = max(how.num_samples, how.final_num_samples)
    yield from _collect_error(
        f"{name}.evaluation",
        lambda: check_memory(f"what is seen of {samples} samples", how.bytes_of(samples), "lower final_num_samples"),
    )
    if recipe.training.device == "cpu":
        needed = sum(map(checkpoint_bytes, games))  # weights and moments, all of which are at work at once
        yield from _collect_error(f"{name}.overrides", lambda: check_memory("training", needed, "lower the sizes"))


def _collect_error(where: str, attempt: Callable[[], object]) -> Iterator[str]:
    try:
        attempt()
    except (PaperganError, ValueError) as error:
        yield f"{where}: {error}"
