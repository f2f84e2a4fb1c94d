"""What can be wrong with a pipeline that is no experiment, and be known in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.config.checked import Images, Sanity
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.errors import DataError, RecipeError, did_you_mean
from papergan.hooks.experiment_checks import locate_weights
from papergan.messages import quoted, sanitise
from papergan.training.numerics import choose_device


def preflight_tools(pipeline: Pipeline, catalog: CatalogProtocol) -> dict[str, Sanity | Images]:
    """Checked recipes of the tools among the pipeline's inputs, by name.

    Raises RecipeError and DataError for what is misspelt, missing or does not exist.
    """
    checks: dict[str, Callable[[CatalogProtocol], Sanity | Images]] = {
        "metric_sanity": _sanity, "evaluate_images": _images,
    }  # fmt: skip
    return {name: check(catalog) for name, check in checks.items() if f"params:{name}" in pipeline.inputs()}


def _sanity(catalog: CatalogProtocol) -> Sanity:
    recipe = SanitySettings.parse("metric_sanity", catalog.load("params:metric_sanity"))
    names = catalog.load("image_library").names
    if recipe.dataset not in names:
        raise RecipeError(
            f"metric_sanity.dataset: unknown data set {quoted(recipe.dataset)}{did_you_mean(recipe.dataset, names)}"
        )
    choose_device(recipe.device)
    locate_weights("metric_sanity", recipe)
    return Sanity(recipe)


def _images(catalog: CatalogProtocol) -> Images:
    recipe = ImagesSettings.parse("evaluate_images", catalog.load("params:evaluate_images"))
    real, fake = (path_of(name, catalog.load(f"params:{name}")) for name in ("real", "fake"))
    held_out = None if recipe.held_out is None else path_of("evaluate_images.held_out", recipe.held_out)
    choose_device(recipe.device)
    locate_weights("evaluate_images", recipe)
    return Images(recipe, real, fake, held_out)


def path_of(name: str, given: Any) -> Path:
    """The folder or file that `real`, `fake` or `held_out` names. Raises DataError where there is none."""
    if not isinstance(given, str) or not given:
        raise DataError(
            f"{name}: which images? give a folder, a parquet, .npy or .npz file: "
            "kedro run --pipelines evaluate_images --params real=DIR,fake=DIR"
        )
    try:
        path = Path(given).expanduser().resolve()
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, a home of nobody, a null character
        why = sanitise(getattr(error, "strerror", None) or error)
        raise DataError(f"{name}: {quoted(given)} cannot be a folder or file: {why}") from error
    if not there:
        raise DataError(f"{name}: there is no folder or file {sanitise(path)}")
    return path
