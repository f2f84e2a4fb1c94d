"""Trials on points: training on a mixture in the plane, with modes counted at intervals, on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan import systems
from papergan.config.mode_stress import DIVERGENCE, LIKELIHOOD, MODES, POINT, QUALITY, ModeResult, ModeTrial
from papergan.errors import NotFiniteError
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.metrics.modes import Mixture, mode_coverage
from papergan.metrics.parzen import parzen_score
from papergan.randomness import seed_for
from papergan.studies.resumable import ResumableTrainer, ResumableTraining
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row

MARGIN = 1.25  # the outermost centre is at 1 / MARGIN of the generator's range, which is that of tanh
NUM_SHOWN_POINTS = 1000  # points kept for the figure


class PointsTrainer(ResumableTrainer[ModeTrial, ModeResult]):
    """Trains on points."""

    def training(
        self, trial: ModeTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None
    ) -> PointsTraining:
        return PointsTraining(trial, report, checkpoints)


class PointsTraining(ResumableTraining[ModeTrial, ModeResult]):
    """A game on points, with covered modes counted at intervals."""

    record = ModeResult

    def __init__(self, trial: ModeTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None) -> None:
        self.recipe = trial.recipe
        self.mixture = self.recipe.targets[trial.target].mixture()
        self.scale = MARGIN * float(self.mixture.centres.abs().max()) if self.recipe.scaled else 1.0
        self.data = None
        if self.recipe.num_points is not None:
            self.data = self.mixture.sample(self.recipe.num_points, seed_for(trial.seed, "points"))
        game = systems.build(self.recipe.system, POINT, trial.settings, seed=trial.seed)
        super().__init__(game, trial, self.recipe.steps, self.recipe.every_steps, report, checkpoints)

    def points(self, count: int) -> Tensor:
        """Generated points [count, 2] in the plane of the mixture. Raises NotFiniteError."""
        points = torch.cat(list(self.game.sampler().stream(count, seed=self.trial.seed))).flatten(1) * self.scale
        if not bool(points.isfinite().all()):
            raise NotFiniteError("generated points are not finite")
        return points

    def measure(self) -> Row:
        points = self.points(self.recipe.samples)
        found, density = mode_coverage(points, self.mixture), log_likelihood(points, self.mixture)
        counted = {MODES: float(found.modes), QUALITY: found.high_quality, DIVERGENCE: found.divergence}
        return {**counted, LIKELIHOOD: density}

    def result(self) -> ModeResult:
        return ModeResult(points=self.points(NUM_SHOWN_POINTS).tolist())

    def training_values(self, step: int) -> dict[str, Tensor]:
        game, size = self.game, self.recipe.batch_size * self.game.images_per_score
        batches = [{"image": self._batch(size, step, index)} for index in range(game.batches_per_step)]
        progress = Progress(step, step * size * game.batches_per_step)
        return training_step(game, batches, progress, self.guard)

    def _batch(self, size: int, step: int, index: int) -> Tensor:
        """Points as images [size, 2, 1, 1] in the generator's range: new ones, or drawn from the data set."""
        seed = seed_for(self.trial.seed, "batch", step, index)
        if self.data is None:
            points = self.mixture.sample(size, seed)
        else:
            draw = torch.Generator().manual_seed(seed)
            points = self.data[torch.randint(len(self.data), (size,), generator=draw)]
        return (points / self.scale).reshape(size, -1, 1, 1)


def log_likelihood(points: Tensor, mixture: Mixture) -> float:
    """Log-likelihood, nats, of 1 000 points of the mixture under a Parzen window on `points`; bandwidth from 500."""
    candidates = [mixture.deviation * 2.0**power for power in range(-1, 9)]
    chosen_by, test = mixture.sample(500, seed_for(0, "validation")), mixture.sample(1000, seed_for(0, "test"))
    return parzen_score(points, chosen_by, test, candidates).mean
