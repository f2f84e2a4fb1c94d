"""Settings and trials of studies: experiments x levels of factors x seeds; every combination is a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from torch import Tensor

from papergan.config.experiment import Recipe, absolute_dataset, absolute_input
from papergan.config.grid import GridRecipe, Names, Tree
from papergan.config.papers import PaperKey
from papergan.config.sweep import SweepSettings
from papergan.config.workers import WorkerSettings
from papergan.errors import RecipeError, did_you_mean
from papergan.evaluation.scorecard import ScoreCard
from papergan.messages import quoted
from papergan.metrics.registry import METRICS
from papergan.metrics.stability import StabilityRule
from papergan.training.history import History
from papergan.validation import Seed, Seeds, StrictModel, deep_merge, short_digest

HIGHER_IS_BETTER = ("modes", "high_quality")  # measures of the mode stress test
MEASURES = (
    "checkerboard",
    "loss_spread",
    "seconds_per_image",
    "fid_on_the_way",
    "membership_auc",
    "copies",
    "pixel_copies",
)  # of a study's own tables, in addition to METRICS; lower is better


class ClaimRecipe(StrictModel):
    """A claim, of a paper or ours: each treatment is better than each baseline, all else equal.

    treatment, baseline: experiments, or levels of any factor. metrics: without an extractor's prefix; "better" is
    defined in `papergan.metrics.registry`. than: instead of a baseline, another metric of the treatment itself, such as
    ppl for ppl_w. grids: where the claim is tested; None = in all that have both sides.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"of": "treatment", "against": "baseline"}

    claim: str
    treatment: Names
    baseline: Annotated[tuple[str, ...], Field(strict=False)] = ()
    metrics: Names
    than: str | None = None
    grids: Names | None = None

    @model_validator(mode="after")
    def _one_other_side(self) -> ClaimRecipe:
        if bool(self.baseline) == (self.than is not None):
            raise ValueError("give either a baseline, or in its place `than`, another metric of the treatment")
        return self


class StudyRecipe(StrictModel):
    """A study with grids or a search. paper: citation key or arXiv identifier. common: merged into every recipe.

    seeds: of every trial; a search uses the first one, its winners all. tables: published tables to compare with,
    such as "Table IV"; None = all of the paper. workers: where the trials of grids are trained.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"contrasts": "claims"}

    paper: PaperKey
    description: str = ""
    seeds: Seeds = (0, 1, 2)
    common: Tree = Field(default_factory=dict)
    tables: Names | None = None
    workers: WorkerSettings = WorkerSettings()
    grids: dict[str, GridRecipe] = Field(default_factory=dict)
    search: SweepSettings | None = None
    claims: Annotated[tuple[ClaimRecipe, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _grids_or_a_search(self) -> StudyRecipe:
        if self.search is None and not self.grids:
            raise ValueError("give grids of at least one entry, or a search in their place")
        if self.search is not None and (self.grids or self.claims):
            raise ValueError("give either grids, with factors and claims, or a search in their place, not both")
        return self

    @model_validator(mode="after")
    def _claims_can_be_found(self) -> StudyRecipe:
        for place, claim in enumerate(self.claims):
            known = set(self.grids)
            for grid in claim.grids or ():
                if grid not in known:
                    raise ValueError(f"claims.{place}.grids: unknown grid {quoted(grid)}{did_you_mean(grid, known)}")
            better = {*MEASURES} | {name for name, metric in METRICS.items() if metric.better != "real"}
            for name in (*claim.metrics, *([claim.than] if claim.than else [])):
                if name not in better:
                    raise ValueError(
                        f"claims.{place}: no metric to be better at: {quoted(name)}{did_you_mean(name, better)}"
                    )
        return self


class SearchRecipe(StrictModel):
    """The search of song2023, section 3.1: FD is raised from 1 until training is stable, up to `most`."""

    paper: PaperKey
    description: str = ""
    experiments: Names
    seed: Annotated[Seed, Field(ge=0)] = 0
    most: Annotated[int, Field(ge=1, le=1000)] = 16
    rule: StabilityRule = StabilityRule()
    common: Tree = Field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentTrial:
    """A trial of a study. levels: the level of every factor.

    as_published: whether no level changes the experiment, so that published numbers apply to it. pruning: a digest of
    what may end it early; "" = nothing.
    """

    grid: str
    experiment: str
    levels: Mapping[str, str]
    recipe: Recipe
    as_published: bool
    pruning: str = ""

    @property
    def name(self) -> str:
        """Experiment and levels; trials that differ only in their seed share it."""
        return "/".join([self.experiment, *self.levels.values()])

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its MLflow run."""
        return {
            "grid": self.grid,
            **self.levels,
            "dataset": self.recipe.dataset_name,
            "recipe": self.recipe.fingerprint,
        }

    @property
    def parameters(self) -> dict[str, object]:
        """Parameters of its MLflow run."""
        return self.recipe.parameters

    @property
    def key(self) -> str:
        """A digest, 12 hexadecimal digits, of all settings that determine the result; equal trials are run once.

        They include the system's defaults: where a default changes, it is another trial.
        """
        about = self.recipe.model_dump(mode="json", exclude={"description", "paper", "overrides"})
        about["settings"], about["dataset"] = self.recipe.settings(), absolute_dataset(self.recipe.dataset)
        about |= {} if self.recipe.input is None else {"input": absolute_input(self.recipe.input)}
        about["training"] = {name: value for name, value in about["training"].items() if name not in EXECUTION_SETTINGS}
        about |= {"pruning": self.pruning} if self.pruning else {}
        return short_digest(about)


# settings of training that are no part of a result
EXECUTION_SETTINGS = ("device", "devices", "cuda_graphs", "save_minutes", "keep_checkpoints", "resume")


@dataclass(frozen=True, eq=False)
class TrialResult:
    """The result of a trial: score card, history and images; the images are None where it diverged.

    samples: uint8 [N, C, S, S]. neighbours: uint8 [R, K, C, S, S], R samples, each before its nearest training images.
    """

    card: ScoreCard
    history: History
    samples: Tensor | None = None
    neighbours: Tensor | None = None


def trials_of(
    name: str, study: StudyRecipe, recipes: Mapping[str, Tree], *, place: str = "grids.{grid}"
) -> list[ExperimentTrial]:
    """Every trial; those of the first seed first, so that an interrupted study has one complete table.

    recipes: of all experiments, as configured. place: where experiments are listed below `name`. Raises RecipeError
    with everything that does not fit.
    """
    found: list[ExperimentTrial] = []
    errors: dict[str, str] = {}  # each with its first place, since a wrong level is wrong in many trials
    for seed in study.seeds:
        for grid_name, grid in study.grids.items():
            for experiment, levels in product(grid.experiments, _combinations(grid)):
                try:
                    found.append(_trial(grid_name, grid, experiment, levels, seed, study.common, recipes))
                except RecipeError as error:
                    where, _, what = str(error).rpartition(": ") if ": " in str(error) else ("", "", str(error))
                    errors.setdefault(what, ": ".join(filter(None, [f"{name}.{place.format(grid=grid_name)}", where])))
    errors |= _unknown_sides(name, study, recipes)
    if errors:
        raise RecipeError("; ".join(f"{where}: {what}" for what, where in errors.items()))
    return found


def _unknown_sides(name: str, study: StudyRecipe, recipes: Mapping[str, Tree]) -> dict[str, str]:
    """Errors for sides of claims that are neither an experiment nor a level; an experiment need not be in a grid."""
    factors = [levels for grid in study.grids.values() for levels in grid.factors.values()]
    sides = {*recipes, *(level for levels in factors for level in levels)}
    return {
        f"unknown side {quoted(side)}{did_you_mean(side, sides)}": f"{name}.claims.{place}"
        for place, claim in enumerate(study.claims)
        for side in (*claim.treatment, *claim.baseline)
        if side not in sides
    }


def _combinations(grid: GridRecipe) -> list[dict[str, str]]:
    return [dict(zip(grid.factors, levels, strict=True)) for levels in product(*grid.factors.values())]


def _trial(
    grid_name: str, grid: GridRecipe, experiment: str, levels: Mapping[str, str], seed: int, common: Tree,
    recipes: Mapping[str, Tree],
) -> ExperimentTrial:  # fmt: skip
    if experiment not in recipes:
        raise RecipeError(f"unknown experiment {quoted(experiment)}{did_you_mean(experiment, recipes)}")
    given = deep_merge(recipes[experiment], common)
    for factor, level in levels.items():
        given = deep_merge(given, grid.factors[factor][level])
    where = "/".join([experiment, *levels.values()])
    recipe = Recipe.parse(where, {**given, "seed": seed})
    by_itself = Recipe.parse(experiment, deep_merge(recipes[experiment], common))
    return ExperimentTrial(grid_name, experiment, dict(levels), recipe, recipe.variant == by_itself.variant)


def search_trials(name: str, search: SearchRecipe, recipes: Mapping[str, Tree]) -> list[ExperimentTrial]:
    """The trials with FD = 1, 2, ... of every experiment in turn. Raises RecipeError for what does not fit."""
    levels = {str(fd): {"overrides": {"feature_differences": fd}} for fd in range(1, search.most + 1)}
    grid = GridRecipe(experiments=search.experiments, factors={"FD": levels})
    study = StudyRecipe(paper=search.paper, seeds=(search.seed,), common=search.common, grids={"search": grid})
    return trials_of(name, study, recipes, place="experiments")
