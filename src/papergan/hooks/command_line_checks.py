"""What --params says of recipes that the pipeline does not read: wrong is wrong there as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import StressRecipe
from papergan.config.registry import discover, studies
from papergan.config.study import SearchRecipe, StudyRecipe
from papergan.errors import PaperganError, RecipeError
from papergan.hooks.tool_checks import path_of
from papergan.maintenance.retention import RetentionRecipe
from papergan.validation import StrictModel

TOOLS: dict[str, type[StrictModel]] = {
    "metric_sanity": SanitySettings, "evaluate_images": ImagesSettings, "fd_search": SearchRecipe,
    "mode_stress_test": StressRecipe, "retention": RetentionRecipe,
}  # fmt: skip


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
    models = dict.fromkeys(discover(), Recipe) | dict.fromkeys(studies(), StudyRecipe) | TOOLS
    if name in models:
        models[name].parse(name, content)
    else:
        path_of(name, content)
