"""Settings, trials and results of the vector study: systems with fully connected networks on rows of a table."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

from pydantic import Field

from papergan import systems
from papergan.config.papers import PaperKey
from papergan.config.trials import SystemTrial, TensorRecord
from papergan.config.workers import WorkerSettings
from papergan.validation import BatchSize, Positive, SampleCount, Seeds, StrictModel
from papergan.vectors.settings import LEAST_ROWS, VectorData
from papergan.vectors.vectors import Kind

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class VectorSystem(StrictModel):
    """A system and its overrides. normalisation: of the columns, "range" where its generator ends in tanh."""

    system: str = "gan"
    overrides: dict[str, Any] = Field(default_factory=dict)
    normalisation: Kind = "range"


class VectorStudyRecipe(StrictModel):
    """The vector study. systems: by their names in the table. steps: of batch_size rows, or packs of them.

    every_steps: between measurements. samples: rows generated for scores; at most as many as there are test rows are
    compared.
    """

    paper: PaperKey
    description: str = ""
    seeds: Seeds = (0, 1, 2)
    vectors: VectorData = VectorData()
    systems: Annotated[dict[Name, VectorSystem], Field(min_length=1)]
    steps: Positive
    batch_size: BatchSize = 256
    every_steps: Positive
    samples: Annotated[SampleCount, Field(ge=LEAST_ROWS)] = 5000
    workers: WorkerSettings = WorkerSettings()


class VectorTrial(SystemTrial[VectorStudyRecipe]):
    """A system trained from one seed."""

    experiment = "vector_study"
    decides = frozenset({"steps", "batch_size", "every_steps", "samples"})

    @property
    def settings(self) -> VectorSystem:
        """The system's entry in the recipe."""
        return self.recipe.systems[self.place]

    @property
    def grid(self) -> str:
        """The table that it belongs to: there is only one."""
        return "vectors"

    @property
    def steps(self) -> int:
        return self.recipe.steps

    @property
    def _dumped(self) -> dict[str, Any]:
        """The settings with the system's defaults, which also determine the result."""
        return {**super()._dumped, "overrides": systems.resolve(self.settings.system, self.settings.overrides)}


class VectorResult(TensorRecord):
    """The result of a trial.

    tensors: "rows", float64 [n, D] as in the table, to look at; and the weights of the sampler, "generator.NAME".
    """

    what = "result of a vector study"


def trials_of(recipe: VectorStudyRecipe, data: str = "") -> list[VectorTrial]:
    """Every trial, those of the first seed first. data: the digest of the rows."""
    return [VectorTrial(place, seed, recipe, data) for seed, place in product(recipe.seeds, recipe.systems)]
