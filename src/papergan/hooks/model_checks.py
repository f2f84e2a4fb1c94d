"""Checks of the trained models that recipes learn from or start from, before a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from papergan.compression.fine_tuning import check_model, start_from_trained
from papergan.compression.teacher import teacher_network
from papergan.config.experiment import Recipe
from papergan.data.library import ImageLibrary
from papergan.errors import CheckpointError, RecipeError
from papergan.game.game import Game
from papergan.hooks.experiment_checks import build_on_cpu, image_spec
from papergan.inference.model_library import ModelLibrary


def check_models(recipes: Mapping[str, Recipe], library: ImageLibrary, models: ModelLibrary) -> None:
    """Try out the trained models that recipes, given by their places, learn from or start from.

    Raises CheckpointError where one does not exist, RecipeError where it does not fit.
    """
    for where, recipe in recipes.items():
        if recipe.teacher is not None:
            with _at(f"{where}.teacher: {recipe.teacher}"):
                teacher_network(models.model(recipe.teacher), _game_of(recipe, library))
        if (tuning := recipe.fine_tuning) is not None:
            with _at(f"{where}.fine_tuning.model: {tuning.model}"):
                stored = models.model(tuning.model)
                check_model(stored, recipe.system)
                start_from_trained(_game_of(recipe, library), stored, models.networks(tuning.model), 0.0)


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Prefix errors with the setting that they belong to."""
    try:
        yield
    except (CheckpointError, RecipeError) as error:
        raise type(error)(f"{where}: {error}") from error


def _game_of(recipe: Recipe, library: ImageLibrary) -> Game:
    declared, _ = library.kind_of_images(recipe.dataset, recipe.image_size, recipe.images)
    return build_on_cpu(recipe, image_spec(recipe, declared, library))
