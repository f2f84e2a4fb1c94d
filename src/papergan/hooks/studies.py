"""Everything about a study that can be wrong and be known in seconds: every cell is a recipe, and checked as one."""

from __future__ import annotations

from collections.abc import Iterable

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.data.library import ImageLibrary
from papergan.errors import RecipeError
from papergan.experiments import discover, studies
from papergan.hooks.preflight import faults_of_experiment, locate_weights
from papergan.pipelines.checked import Experiment, Search, Study
from papergan.study import Cell, SearchRecipe, StudyRecipe, candidates_of, cells_of


def preflight_studies(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Study | Search]:
    """The checked studies of the pipeline, every variant of every cell built once.

    Raises RecipeError where recipes are faulty, with all faults together, and what looking for weights raises.
    """
    asked = [name for name in (*studies(), "fd_search") if f"params:{name}" in pipeline.inputs()]
    recipes = {name: catalog.load(f"params:{name}") for name in discover()} if asked else {}
    checked: list[Study | Search] = []
    for name in asked:
        given = catalog.load(f"params:{name}")
        if name == "fd_search":
            search = SearchRecipe.parse(name, given)
            candidates = candidates_of(name, search, recipes)
            checked.append(Search(name, search, tuple(candidates)))
        else:
            study = StudyRecipe.parse(name, given)
            checked.append(Study(name, study, tuple(cells_of(name, study, recipes))))
        _check(name, checked[-1].cells, catalog.load("image_library"))
    return checked


def _check(name: str, cells: Iterable[Cell], library: ImageLibrary) -> None:
    variants = {cell.recipe.variant: Experiment(f"{name}: {cell.name}", cell.recipe) for cell in cells}
    faults = [fault for variant in variants.values() for fault in faults_of_experiment(variant, library, None)]
    if faults:
        raise RecipeError("; ".join(faults))
    for variant in variants.values():
        locate_weights(f"{name}.common.evaluation", variant.recipe.evaluation)
