"""Checks of tools before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol

from papergan.config.checked import Comparison, Dirac, Images, Sanity
from papergan.config.comparison import ComparisonSettings
from papergan.config.dirac import DiracRecipe
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.errors import DataError, RecipeError, did_you_mean
from papergan.hooks.experiment_checks import locate_weights
from papergan.messages import quoted, sanitise
from papergan.project import COMMAND
from papergan.training.numerics import choose_device


def check_comparison(name: str, catalog: CatalogProtocol) -> Comparison:
    """Which runs stand in the comparison. Raises RecipeError for what is misspelt."""
    return Comparison(ComparisonSettings.parse(name, catalog.load(f"params:{name}")))


def check_dirac(name: str, catalog: CatalogProtocol) -> Dirac:
    """The variants of the Dirac-GAN. Raises RecipeError for what is misspelt or out of range."""
    return Dirac(DiracRecipe.parse(name, catalog.load(f"params:{name}")))


def check_sanity(name: str, catalog: CatalogProtocol) -> Sanity:
    """The recipe of the metric sanity pipeline, its data set, device and weights.

    Raises RecipeError for unknown names, EvaluationError where weights are missing.
    """
    recipe = SanitySettings.parse(name, catalog.load(f"params:{name}"))
    names = catalog.load("image_library").names
    if recipe.dataset not in names:
        raise RecipeError(
            f"{name}.dataset: unknown data set {quoted(recipe.dataset)}{did_you_mean(recipe.dataset, names)}"
        )
    choose_device(recipe.device)
    locate_weights(name, recipe)
    return Sanity(recipe)


def check_images(name: str, catalog: CatalogProtocol) -> Images:
    """The recipe of evaluate_images, and the folders or files, which exist.

    Raises RecipeError for unknown keys, DataError for paths that are missing.
    """
    recipe = ImagesSettings.parse(name, catalog.load(f"params:{name}"))
    real, fake = (path_of(which, catalog.load(f"params:{which}")) for which in ("real", "fake"))
    held_out = None if recipe.held_out is None else path_of(f"{name}.held_out", recipe.held_out)
    choose_device(recipe.device)
    locate_weights(name, recipe)
    return Images(recipe, real, fake, held_out)


def path_of(name: str, given: Any) -> Path:
    """The folder or file that `real`, `fake` or `held_out` names. Raises DataError where there is none."""
    if not isinstance(given, str) or not given:
        raise DataError(
            f"{name}: which images? give a folder, a parquet, .npy or .npz file: "
            f"{COMMAND} run --pipelines evaluate_images --params real=DIR,fake=DIR"
        )
    try:
        path = Path(given).expanduser().resolve()
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, an unknown user's home, a null character
        why = sanitise(getattr(error, "strerror", None) or error)
        raise DataError(f"{name}: {quoted(given)} cannot be a folder or file: {why}") from error
    if not there:
        raise DataError(f"{name}: there is no folder or file {sanitise(path)}")
    return path
