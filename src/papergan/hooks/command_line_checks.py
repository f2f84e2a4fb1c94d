"""Checks of parameters from --params that the pipeline does not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.config.experiment import Recipe
from papergan.config.registry import MODELS, discover, import_by_name, studies
from papergan.config.study import StudyRecipe
from papergan.errors import PaperganError, RecipeError
from papergan.hooks.tool_checks import path_of
from papergan.validation import StrictModel


def refuse_unread(given: Mapping[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Raise RecipeError for errors in parameters that the command line sets and the pipeline does not read.

    given: as --params has it. What the pipeline reads is left to those who check it in full.
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
