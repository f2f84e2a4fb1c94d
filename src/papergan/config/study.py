"""A study: experiments times what is varied of them times seeds. Every combination is a cell, a recipe of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Protocol

from pydantic import Field, model_validator
from torch import Tensor

from papergan.config.experiment import Recipe
from papergan.config.papers import PaperKey
from papergan.errors import RecipeError, did_you_mean
from papergan.evaluation.scorecard import ScoreCard
from papergan.messages import quoted
from papergan.metrics.registry import METRICS
from papergan.metrics.stability import StabilityRule
from papergan.training.history import History
from papergan.validation import Seed, Seeds, StrictModel

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]  # YAML: a list
Tree = dict[str, Any]  # part of a recipe, as YAML has it
MEASURES = (
    "checkerboard",
    "loss_spread",
    "seconds_per_image",
    "fid_on_the_way",
)  # of a study's own tables, beside METRICS; less is better


class GridRecipe(StrictModel):
    """experiments: by name. factors: what is varied, `{factor: {level: part of a recipe}}`, in all combinations."""

    experiments: Names
    factors: dict[str, dict[str, Tree]] = Field(default_factory=dict)


class ContrastRecipe(StrictModel):
    """A claim that numbers can hold or not: `of` is better than each of `against`, all else equal.

    of, against: an experiment, or a level of any factor. metrics: without an extractor's prefix; "better" is that of
    `papergan.metrics.registry`. grids: where it is looked for; None = in all that have both sides.
    """

    claim: str
    of: Names
    against: Names
    metrics: Names
    grids: Names | None = None


class StudyRecipe(StrictModel):
    """paper: citation key or arXiv identifier. common: laid over every recipe, for budgets. seeds: of every cell.

    tables: published ones whose numbers stand beside, "Table IV"; None = all of the paper.
    """

    paper: PaperKey
    description: str = ""
    seeds: Seeds = (0, 1, 2)
    common: Tree = Field(default_factory=dict)
    tables: Names | None = None
    grids: Annotated[dict[str, GridRecipe], Field(min_length=1)]
    contrasts: Annotated[tuple[ContrastRecipe, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _contrasts_can_be_found(self) -> StudyRecipe:
        for place, contrast in enumerate(self.contrasts):
            known = set(self.grids)
            for grid in contrast.grids or ():
                if grid not in known:
                    raise ValueError(f"contrasts.{place}.grids: unknown grid {quoted(grid)}{did_you_mean(grid, known)}")
            better = {*MEASURES} | {name for name, metric in METRICS.items() if metric.better != "real"}
            for name in contrast.metrics:
                if name not in better:
                    raise ValueError(
                        f"contrasts.{place}: no metric to be better at: {quoted(name)}{did_you_mean(name, better)}"
                    )
        return self


def _levels(grid: GridRecipe) -> Iterator[str]:
    yield from (level for levels in grid.factors.values() for level in levels)


class SearchRecipe(StrictModel):
    """song2023, section 3.1: FD is raised from 1 until no instability occurs. most: where the search gives up."""

    paper: PaperKey
    description: str = ""
    experiments: Names
    seed: Annotated[Seed, Field(ge=0)] = 0
    most: Annotated[int, Field(ge=1, le=1000)] = 16
    rule: StabilityRule = StabilityRule()
    common: Tree = Field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One combination of one grid. levels: the chosen one of every factor.

    as_published: whether no level changes the experiment, so that published numbers stand for it.
    """

    grid: str
    experiment: str
    levels: Mapping[str, str]
    recipe: Recipe
    as_published: bool

    @property
    def name(self) -> str:
        """Without the seed: cells of one name differ by luck alone."""
        return "/".join([self.experiment, *self.levels.values()])

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits of all that decides its result; cells of two grids that agree are run once."""
        about = self.recipe.model_dump(mode="json", exclude={"description", "paper"})
        about["training"] = {name: value for name, value in about["training"].items() if name not in HOW}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]


def digest_of(cells: Sequence[Keyed]) -> str:
    """Twelve hexadecimal digits of which cells a study has."""
    return hashlib.sha256(" ".join(sorted(cell.key for cell in cells)).encode()).hexdigest()[:12]


class Keyed(Protocol):
    """A cell of anything."""

    @property
    def key(self) -> str: ...


HOW = ("device", "devices", "cuda_graphs", "save_minutes", "keep_checkpoints", "resume")  # no part of a result


@dataclass(frozen=True, eq=False)
class CellResult:
    """What became of a cell. Pictures are None where it diverged.

    samples: uint8 [N, C, S, S]. neighbours: uint8 [R, K, C, S, S], R samples, each before its nearest training images.
    """

    card: ScoreCard
    history: History
    samples: Tensor | None = None
    neighbours: Tensor | None = None


def cells_of(name: str, study: StudyRecipe, recipes: Mapping[str, Tree]) -> list[Cell]:
    """Every cell; those of the first seed first, so that an interrupted study has one whole table.

    recipes: of all experiments, as configuration has them. Raises RecipeError naming what does not fit, all at once.
    """
    found: list[Cell] = []
    faults: dict[str, str] = {}  # where each was met first, since a wrong level is wrong in many cells
    for seed in study.seeds:
        for grid_name, grid in study.grids.items():
            for experiment, levels in product(grid.experiments, _combinations(grid)):
                try:
                    found.append(_cell(grid_name, grid, experiment, levels, seed, study.common, recipes))
                except RecipeError as fault:
                    where, _, what = str(fault).rpartition(": ") if ": " in str(fault) else ("", "", str(fault))
                    faults.setdefault(what, ": ".join(filter(None, [f"{name}.grids.{grid_name}", where])))
    faults |= _unknown_sides(name, study, recipes)
    if faults:
        raise RecipeError("; ".join(f"{where}: {what}" for what, where in faults.items()))
    return found


def _unknown_sides(name: str, study: StudyRecipe, recipes: Mapping[str, Tree]) -> dict[str, str]:
    """What claims are about must be experiments or levels; experiments need not be in a grid: it may be cut short."""
    sides = {*recipes, *(level for grid in study.grids.values() for level in _levels(grid))}
    return {
        f"unknown side {quoted(side)}{did_you_mean(side, sides)}": f"{name}.contrasts.{place}"
        for place, contrast in enumerate(study.contrasts)
        for side in (*contrast.of, *contrast.against)
        if side not in sides
    }


def _combinations(grid: GridRecipe) -> list[dict[str, str]]:
    return [dict(zip(grid.factors, levels, strict=True)) for levels in product(*grid.factors.values())]


def _cell(
    grid_name: str, grid: GridRecipe, experiment: str, levels: Mapping[str, str], seed: int, common: Tree,
    recipes: Mapping[str, Tree],
) -> Cell:  # fmt: skip
    if experiment not in recipes:
        raise RecipeError(f"unknown experiment {quoted(experiment)}{did_you_mean(experiment, recipes)}")
    given = deep_merge(recipes[experiment], common)
    for factor, level in levels.items():
        given = deep_merge(given, grid.factors[factor][level])
    where = "/".join([experiment, *levels.values()])
    recipe = Recipe.parse(where, {**given, "seed": seed})
    by_itself = Recipe.parse(experiment, deep_merge(recipes[experiment], common))
    return Cell(grid_name, experiment, dict(levels), recipe, recipe.settings() == by_itself.settings())


def candidates_of(name: str, search: SearchRecipe, recipes: Mapping[str, Tree]) -> list[Cell]:
    """FD = 1, 2, ... of every experiment in turn. Raises RecipeError naming what does not fit."""
    levels = {str(fd): {"overrides": {"feature_differences": fd}} for fd in range(1, search.most + 1)}
    grid = GridRecipe(experiments=search.experiments, factors={"FD": levels})
    study = StudyRecipe(paper=search.paper, seeds=(search.seed,), common=search.common, grids={"search": grid})
    return cells_of(name, study, recipes)


def deep_merge(below: Tree, above: Tree) -> Tree:
    """`below` with the keys of `above` in their place; mappings are merged, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = deep_merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
