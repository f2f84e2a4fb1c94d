"""Trials of the vector study: systems trained on rows of a table, and scored against held-out rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan import systems
from papergan.config.vector_study import VectorResult, VectorTrial
from papergan.data.images import ImageSpec
from papergan.datasets.trial_results import FileTrialStore
from papergan.errors import NotFiniteError
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.randomness import seed_for
from papergan.studies.resumable import ResumableTrainer, ResumableTraining
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row
from papergan.vectors.scores import vector_scores
from papergan.vectors.vectors import Normalisation, VectorSplits

SHOWN = 2000  # rows kept in the result


def vector_spec(columns: int) -> ImageSpec:
    """A row in the form that image networks expect: one pixel with a channel per column."""
    return ImageSpec(channels=columns, size=1)


class VectorTrainer(ResumableTrainer[VectorTrial, VectorResult]):
    """Trains on rows."""

    def __init__(self, trials: FileTrialStore[VectorResult], vectors: VectorSplits) -> None:
        super().__init__(trials)
        self.vectors = vectors

    def training(
        self, trial: VectorTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None
    ) -> VectorTraining:
        return VectorTraining(trial, self.vectors, report, checkpoints)

    def data_digest(self, trial: VectorTrial) -> str:
        return self.vectors.digest


class VectorTraining(ResumableTraining[VectorTrial, VectorResult]):
    """A game on rows, whose generator is measured at intervals."""

    record = VectorResult

    def __init__(
        self, trial: VectorTrial, vectors: VectorSplits, report: Callable[[Row], None],
        checkpoints: CheckpointStore | None,
    ) -> None:  # fmt: skip
        self.recipe, self.vectors = trial.recipe, vectors
        self.normalisation = Normalisation.of(vectors.train, trial.settings.normalisation)
        self.normalised = self.normalisation.apply(vectors.train.values)
        spec = vector_spec(len(vectors.train.columns))
        game = systems.build(trial.settings.system, spec, trial.settings.overrides, seed=trial.seed)
        super().__init__(game, trial, self.recipe.steps, self.recipe.every_steps, report, checkpoints)

    def measure(self) -> Row:
        return vector_scores(self.generated(self.recipe.samples), self.vectors)

    def result(self) -> VectorResult:
        rows, weights = self.generated(SHOWN), self.game.sampler().state_dict()
        kept = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        scores = {name: value for name, value in self.over_time[-1].items() if name != "step"}
        return VectorResult(scores=scores, tensors={"rows": rows.contiguous(), **kept})

    def generated(self, count: int) -> Tensor:
        """The first `count` generated rows, for scoring, float64 [count, D] as in the table. Raises NotFiniteError."""
        made = torch.cat(list(self.game.sampler().stream(count, seed=self.trial.seed))).flatten(1)
        if not bool(made.isfinite().all()):
            raise NotFiniteError("generated rows are not finite")
        return self.normalisation.invert(made)

    def training_values(self, step: int) -> dict[str, Tensor]:
        game, size = self.game, self.recipe.batch_size * self.game.images_per_score
        batches = [{"image": self._batch(size, step, index)} for index in range(game.batches_per_step)]
        return training_step(game, batches, Progress(step, step * size * game.batches_per_step), self.guard)

    def _batch(self, size: int, step: int, index: int) -> Tensor:
        """Rows [size, D, 1, 1], drawn uniformly with replacement."""
        draw = torch.Generator().manual_seed(seed_for(self.trial.seed, "batch", step, index))
        rows = torch.randint(len(self.normalised), (size,), generator=draw)
        return self.normalised[rows].reshape(size, -1, 1, 1)
