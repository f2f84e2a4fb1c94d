"""Validated recipes, as nodes receive them: checked once, by the hook in `papergan.hooks.validation`.

They wrap the models: with bare models Kedro would validate parameters itself, from the annotation, and report a
misspelt key in many lines without close matches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from papergan.config.channel_study import ChannelStudyRecipe, ChannelTrial
from papergan.config.compression import CompressionSettings
from papergan.config.detection import DetectionSettings
from papergan.config.dirac import DiracRecipe
from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import ModeStressRecipe, ModeTrial
from papergan.config.sound_study import SoundStudyRecipe, SoundTrial
from papergan.config.study import ExperimentTrial, SearchRecipe, StudyRecipe
from papergan.config.sweep import SweepSettings
from papergan.config.tools import ComparisonSettings, ReproductionsRecipe
from papergan.config.trials import GroupedTrial
from papergan.config.vector_study import VectorStudyRecipe, VectorTrial
from papergan.validation import short_digest

R = TypeVar("R")
T = TypeVar("T", bound=GroupedTrial)


class Experiment(NamedTuple):
    """An experiment: its name and its recipe."""

    name: str
    recipe: Recipe


class TrialPlan(NamedTuple, Generic[R, T]):
    """The trials of a study, search or stress test, in the order in which they run, and its recipe."""

    name: str
    recipe: R
    trials: tuple[T, ...]

    @property
    def planned(self) -> int:
        """The number of trials."""
        return len(self.trials)

    @property
    def digest(self) -> str:
        """A digest, 12 hexadecimal digits, of the trials."""
        return hashlib.sha256(" ".join(sorted(trial.key for trial in self.trials)).encode()).hexdigest()[:12]


Study = TrialPlan[StudyRecipe, ExperimentTrial]
Search = TrialPlan[SearchRecipe, ExperimentTrial]
Reproductions = TrialPlan[ReproductionsRecipe, ExperimentTrial]
ModeStress = TrialPlan[ModeStressRecipe, ModeTrial]
ChannelStudy = TrialPlan[ChannelStudyRecipe, ChannelTrial]
SoundStudy = TrialPlan[SoundStudyRecipe, SoundTrial]
VectorStudy = TrialPlan[VectorStudyRecipe, VectorTrial]


class Sweep(NamedTuple):
    """A study whose trials are suggested one by one. base: the recipe that trials vary, with the first seed.

    evaluations: number of evaluations of a trial during training, without the final one.
    """

    name: str
    recipe: StudyRecipe
    base: Recipe
    evaluations: int

    @property
    def search(self) -> SweepSettings:
        """The space, objective and budget of the search."""
        assert self.recipe.search is not None
        return self.recipe.search

    @property
    def planned(self) -> int:
        """The largest number of trials, including those of winners with further seeds."""
        return self.search.trials + min(self.search.winners, self.search.trials) * (len(self.recipe.seeds) - 1)

    @property
    def digest(self) -> str:
        """A digest, 12 hexadecimal digits, of the recipe and the search, without their descriptions."""
        base = self.base.model_dump(mode="json", exclude={"description"})
        about = [base, self.recipe.model_dump(mode="json", exclude={"description", "workers"})]
        return short_digest(about)


class Settings(NamedTuple, Generic[R]):
    """The settings of a tool that trains nothing."""

    recipe: R


Dirac = Settings[DiracRecipe]
Sanity = Settings[SanitySettings]
Comparison = Settings[ComparisonSettings]


class CompressionPlan(NamedTuple):
    """The settings of `compression`. places: of the generator, and of the models that variants name, by name."""

    recipe: CompressionSettings
    name_of_model: str
    places: Mapping[str, Path]

    @property
    def place(self) -> Path:
        """The existing folder or file of the generator that is compressed."""
        return self.places[self.recipe.model]


class DetectionPlan(NamedTuple):
    """The settings of `detection`, and the folders or files of the generators by name, in the table's order."""

    recipe: DetectionSettings
    places: Mapping[str, Path]


class Images(NamedTuple):
    """The settings of `evaluate_images`, and the folders or files to compare, which exist."""

    recipe: ImagesSettings
    real: Path
    fake: Path
    held_out: Path | None
