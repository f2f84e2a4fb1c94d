"""What --params says of recipes that the pipeline does not read: wrong is wrong there as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.config.experiment import Recipe
from papergan.config.registry import MODELS, discover, resolve, studies
from papergan.config.study import StudyRecipe
from papergan.errors import PaperganError, RecipeError
from papergan.hooks.tool_checks import path_of
from papergan.validation import StrictModel


def refuse_unread(given: Mapping[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Raise RecipeError where parameters that were given on the command line, and are not read, are faulty.

    given: as --params has it. What the pipeline reads is left to those who check it in full.
    """
    read, faults = pipeline.inputs(), []
    for name in given:
        if f"params:{name}" not in read:
            try:
                _check(name, catalog.load(f"params:{name}"))
            except PaperganError as fault:
                faults.append(str(fault))
    if faults:
        raise RecipeError("; ".join(faults))


def _check(name: str, content: Any) -> None:
    models: dict[str, type[StrictModel]] = dict.fromkeys(discover(), Recipe) | dict.fromkeys(studies(), StudyRecipe)
    if name in MODELS:
        models[name] = resolve(MODELS[name])
    if name in models:
        models[name].parse(name, content)
    else:
        path_of(name, content)
