"""Recipes as nodes get them: validated once, by the hook in `papergan.hooks.validation`.

Not the bare models: Kedro would then validate parameters itself, from the annotation, and report a misspelt key in many
lines without close matches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from papergan.config.comparison import ComparisonSettings
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import ModeStressRecipe, ModeTrial
from papergan.config.study import ExperimentTrial, SearchRecipe, StudyRecipe

R = TypeVar("R")
T = TypeVar("T")


class Experiment(NamedTuple):
    """A recipe under its name."""

    name: str
    recipe: Recipe


class Plan(NamedTuple, Generic[R, T]):
    """Many trainings under one name: the recipe, and every trial in the order in which they are run."""

    name: str
    recipe: R
    trials: tuple[T, ...]


Study = Plan[StudyRecipe, ExperimentTrial]
Search = Plan[SearchRecipe, ExperimentTrial]
ModeStress = Plan[ModeStressRecipe, ModeTrial]


class Sanity(NamedTuple):
    """What the metric sanity pipeline looks at."""

    recipe: SanitySettings


class Comparison(NamedTuple):
    """Which runs stand in the comparison table."""

    settings: ComparisonSettings


class Images(NamedTuple):
    """Which images are compared with which: folders or files that exist."""

    recipe: ImagesSettings
    real: Path
    fake: Path
    held_out: Path | None
