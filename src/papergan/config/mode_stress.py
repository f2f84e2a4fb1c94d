"""Settings and trials of the tools on points: variants of a system on mixtures of Gaussians, over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from papergan import systems
from papergan.config.papers import PaperKey
from papergan.config.study import ClaimRecipe
from papergan.config.trials import TrialRecord
from papergan.config.workers import WorkerSettings
from papergan.data.images import ImageSpec
from papergan.errors import did_you_mean
from papergan.messages import quoted
from papergan.metrics.modes import Mixture
from papergan.validation import Amount, BatchSize, Positive, SampleCount, Seeds, StrictModel, flattened, short_digest

POINT = ImageSpec(channels=2, size=1)  # a point of the plane, as networks for images take it
MODES: Literal["modes"] = "modes"
QUALITY, DIVERGENCE, LIKELIHOOD = "high_quality", "divergence", "log_likelihood"


class TargetRecipe(StrictModel):
    """A mixture of round Gaussians. ring: `modes` on a circle of radius `scale`. grid: side^2 modes, `scale` apart."""

    kind: Literal["ring", "grid"]
    modes: Annotated[int, Field(ge=1, le=10_000)]
    scale: Amount
    deviation: Amount

    def mixture(self) -> Mixture:
        """The mixture. Raises ValueError for a grid that is not square."""
        if self.kind == "ring":
            return Mixture.ring(self.modes, self.scale, self.deviation)
        side = round(self.modes**0.5)
        if side**2 != self.modes:
            raise ValueError(f"a grid has a square number of modes, got {self.modes}")
        return Mixture.grid(side, self.scale, self.deviation)


class ModeClaimRecipe(ClaimRecipe):
    """A claim about collapse: each treatment covers more modes than each baseline."""

    metrics: Annotated[tuple[Literal["modes", "high_quality"], ...], Field(min_length=1, strict=False)] = (MODES,)
    than: Literal["modes", "high_quality"] | None = None


class ModeStressRecipe(StrictModel):
    """A tool on points. system: a fully connected one. levels: its variants, as changes to `common`.

    steps: of batch_size points, or packs of them where a level packs. every_steps: between counts of modes, each on
    `samples` generated points. num_points: size of a data set drawn once with the seed; None draws new points for every
    step. scaled: whether points are scaled into (-1, 1), the range of tanh. only: names of the trials to run, such as
    "ring/hinge"; () runs all. workers: where trials are trained.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"contrasts": "claims"}

    paper: PaperKey
    description: str = ""
    system: str = "gan"
    seeds: Seeds = (0, 1, 2)
    steps: Positive = 10_000
    batch_size: BatchSize = 256
    every_steps: Positive = 500
    samples: SampleCount = 2500
    num_points: SampleCount | None = None
    scaled: bool = True
    workers: WorkerSettings = WorkerSettings()
    only: Annotated[tuple[str, ...], Field(strict=False)] = ()
    common: dict[str, Any] = Field(default_factory=dict)
    targets: Annotated[dict[str, TargetRecipe], Field(min_length=1)]
    levels: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    claims: Annotated[tuple[ModeClaimRecipe, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _claims_can_be_found(self) -> Self:
        for place, claim in enumerate(self.claims):
            for what, given, known in (
                ("level", (*claim.treatment, *claim.baseline), {*self.levels}),
                ("target", claim.grids or (), {*self.targets}),
            ):
                for one in given:
                    if one not in known:
                        raise ValueError(f"claims.{place}: unknown {what} {quoted(one)}{did_you_mean(one, known)}")
        return self


@dataclass(frozen=True)
class ModeTrial:
    """One level, trained on one target from one seed."""

    target: str
    level: str
    seed: int
    settings: Mapping[str, Any]
    recipe: ModeStressRecipe

    @property
    def name(self) -> str:
        """Target and level; trials that differ only in their seed share it."""
        return f"{self.target}/{self.level}"

    @property
    def grid(self) -> str:
        """The table that it belongs to."""
        return self.target

    @property
    def experiment(self) -> str:
        return self.recipe.system

    @property
    def levels(self) -> dict[str, str]:
        return {"level": self.level}

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its MLflow run."""
        return {"target": self.target, "level": self.level}

    @property
    def parameters(self) -> dict[str, object]:
        """Parameters of its MLflow run."""
        return {**dict(flattened("settings.", self.settings)), "seed": self.seed, "steps": self.recipe.steps}

    @property
    def key(self) -> str:
        """A digest, 12 hexadecimal digits, of all settings that determine the result, the system's defaults too."""
        recipe = self.recipe
        about = {
            "target": recipe.targets[self.target].model_dump(), "seed": self.seed,
            "settings": systems.resolve(recipe.system, self.settings),
            **recipe.model_dump(include={"system", "steps", "batch_size", "every_steps", "samples"}),
        }  # fmt: skip
        changes = {"num_points": recipe.num_points, "scaled": recipe.scaled}
        about |= {
            name: value for name, value in changes.items() if value != ModeStressRecipe.model_fields[name].default
        }
        return short_digest(about)


@dataclass(frozen=True, eq=False, kw_only=True)
class ModeResult(TrialRecord):
    """The result of a trial. over_time: step, modes, high_quality, divergence, log_likelihood.

    points: [N][2], the last samples.
    """

    what = "result of a mode stress test"

    points: list[list[float]] = field(default_factory=list)

    def value(self, metric: str) -> float | None:
        """The mean of a measurement over the second half of training, which is robust to oscillation."""
        return fmean(row[metric] for row in self.over_time[len(self.over_time) // 2 :])


def trials_of(recipe: ModeStressRecipe) -> list[ModeTrial]:
    """Every trial, or those in `only`; those of the first seed first."""
    trials = [
        ModeTrial(target, level, seed, {**recipe.common, **recipe.levels[level]}, recipe)
        for seed, target, level in product(recipe.seeds, recipe.targets, recipe.levels)
    ]
    return [trial for trial in trials if not recipe.only or trial.name in recipe.only]
