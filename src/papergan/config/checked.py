"""Validated recipes, as nodes receive them: checked once, by the hook in `papergan.hooks.validation`.

Not the bare models: Kedro would then validate parameters itself, from the annotation, and report a misspelt key in many
lines without close matches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from papergan.config.comparison import ComparisonSettings
from papergan.config.dirac import DiracRecipe
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import ModeStressRecipe, ModeTrial
from papergan.config.reproductions import ReproductionsRecipe
from papergan.config.study import ExperimentTrial, SearchRecipe, StudyRecipe

R = TypeVar("R")
T = TypeVar("T")


class Experiment(NamedTuple):
    """A recipe under its name."""

    name: str
    recipe: Recipe


class TrialPlan(NamedTuple, Generic[R, T]):
    """The trials of a study, search or stress test, in the order in which they run, and its recipe."""

    name: str
    recipe: R
    trials: tuple[T, ...]


Study = TrialPlan[StudyRecipe, ExperimentTrial]
Search = TrialPlan[SearchRecipe, ExperimentTrial]
Reproductions = TrialPlan[ReproductionsRecipe, ExperimentTrial]
ModeStress = TrialPlan[ModeStressRecipe, ModeTrial]


class Dirac(NamedTuple):
    """The settings of the Dirac-GAN."""

    recipe: DiracRecipe


class Sanity(NamedTuple):
    """The settings of the metric sanity pipeline."""

    recipe: SanitySettings


class Comparison(NamedTuple):
    """Which runs stand in the comparison table."""

    settings: ComparisonSettings


class Images(NamedTuple):
    """The settings of `evaluate_images`, and the folders or files to compare, which exist."""

    recipe: ImagesSettings
    real: Path
    fake: Path
    held_out: Path | None
