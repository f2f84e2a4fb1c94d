"""Trials on points: training on a mixture in the plane, with modes counted at intervals, on the CPU."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from papergan import systems
from papergan.config.mode_stress import DIVERGENCE, LIKELIHOOD, MODES, POINT, QUALITY, ModeResult, ModeTrial
from papergan.datasets.trial_results import ModeTrialStore
from papergan.errors import Interrupted, NotFiniteError
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.metrics.modes import Mixture, mode_coverage
from papergan.metrics.parzen import parzen_score
from papergan.pipelines.experiment.restore import stoppable
from papergan.randomness import own_random_state, seed_for, set_seed
from papergan.tracking import Tracker, provenance
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row, RunningMean
from papergan.training.numerics import numerics

MARGIN = 1.25  # the outermost centre lies at 1 / MARGIN of the generator's range, that of tanh
NUM_SHOWN_POINTS = 1000  # points that are kept for the picture
SECONDS_BETWEEN_SAVES = 60.0

Stop = Callable[[], int | None]


class PointsTrainer:
    """Trains on points, each trial from its newest checkpoint in `trials`."""

    def __init__(self, trials: ModeTrialStore) -> None:
        self.trials = trials

    def __call__(self, trial: ModeTrial, tracker: Tracker) -> ModeResult:
        """Train a trial and return its result, also where it diverges. Raises Interrupted after a stop signal."""
        with stoppable(trial.name) as stop, self.trials.unfinished(trial.key) as checkpoints:
            result = train_on_points(trial, stop, tracker.report, checkpoints)
        return replace(result, provenance=_provenance())

    def data_digest(self, trial: ModeTrial) -> str:
        """The empty text, since points are drawn and no images are read."""
        return ""


def _provenance() -> dict[str, str]:
    commit = provenance.commit()
    made_by = f"{commit.name[:12]}{' with uncommitted changes' if commit.dirty else ''}"
    return {"hardware": provenance.hardware(torch.device("cpu")), **provenance.versions(), "commit": made_by}


def train_on_points(
    trial: ModeTrial, stop: Stop, report: Callable[[Row], None], checkpoints: CheckpointStore | None = None
) -> ModeResult:
    """Train on points and count modes.

    report: called after every count. stop: the number of a stop signal, or None. checkpoints: where the trial goes on
    from if it was stopped, to the same bits; None begins anew.
    Raises Interrupted after a stop signal; the result of a trial that diverges says so.
    """
    training, diverged = PointsTraining(trial, report, checkpoints), None
    with numerics("float32", deterministic=False), own_random_state("cpu"):
        try:
            training.run(stop)
        except NotFiniteError as error:
            diverged = f"diverged at {error}"
        points = [] if diverged else training.points(NUM_SHOWN_POINTS).tolist()
    return ModeResult(
        training.over_time, training.losses, training.seconds / max(1, training.step), points, diverged
    )  # fmt: skip


class PointsTraining:
    """A game on points, at a step of its training. over_time, losses: rows of every count so far; seconds: of steps."""

    def __init__(self, trial: ModeTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None) -> None:
        self.trial, self.recipe, self.report, self.checkpoints = trial, trial.recipe, report, checkpoints
        self.mixture = self.recipe.targets[trial.target].mixture()
        self.scale = MARGIN * float(self.mixture.centres.abs().max()) if self.recipe.scaled else 1.0
        self.game = systems.build(self.recipe.system, POINT, trial.settings, seed=trial.seed)
        self.data = None
        if self.recipe.num_points is not None:
            self.data = self.mixture.sample(self.recipe.num_points, seed_for(trial.seed, "points"))
        self.running_mean, self.guard = RunningMean(), NonFiniteGuard(self.game.device)
        self.step, self.seconds, self.saved = 0, 0.0, time.monotonic()
        self.over_time: list[Row] = []
        self.losses: list[Row] = []

    def run(self, stop: Stop) -> None:
        """Train to the end, from the newest checkpoint. Raises Interrupted after a stop signal, NotFiniteError."""
        if not self._resume():
            self._count()
        while self.step < self.recipe.steps:
            began, until = time.perf_counter(), min(self.step + self.recipe.every_steps, self.recipe.steps)
            number = None
            for now in range(self.step, until):
                self.train_step(now)
                if (number := stop()) is not None:
                    break
            if number is not None:  # what came after the last count is done again
                raise Interrupted(number, f"stopped by signal {number} in {self.trial.name}; run again to go on")
            self.step, self.seconds = until, self.seconds + time.perf_counter() - began
            self._count()
            self._save()

    def points(self, count: int) -> Tensor:
        """Generated points [count, 2] in the plane of the mixture. Raises NotFiniteError."""
        points = torch.cat(list(self.game.sampler().stream(count, seed=self.trial.seed))).flatten(1) * self.scale
        if not bool(points.isfinite().all()):
            raise NotFiniteError("generated points are not finite")
        return points

    def _count(self) -> None:
        self.guard.check()
        points = self.points(self.recipe.samples)
        found, density = mode_coverage(points, self.mixture), log_likelihood(points, self.mixture)
        counted = {MODES: float(found.modes), QUALITY: found.high_quality, DIVERGENCE: found.divergence}
        self.over_time.append({"step": float(self.step), **counted, LIKELIHOOD: density})
        self.losses += [{"step": float(self.step), **self.running_mean.read()}] if self.step else []
        self.report({**self.over_time[-1], **(self.losses[-1] if self.losses else {})})

    def train_step(self, step: int) -> None:
        """One training step; its random numbers are a function of (seed, step)."""
        game, size = self.game, self.recipe.batch_size * self.game.images_per_score
        set_seed(seed_for(self.trial.seed, "step", step), "cpu")
        batches = [{"image": self._batch(size, step, index)} for index in range(game.batches_per_step)]
        progress = Progress(step, step * size * game.batches_per_step)
        self.running_mean.add(training_step(game, batches, progress, self.guard))

    def _batch(self, size: int, step: int, index: int) -> Tensor:
        """Points as images [size, 2, 1, 1] in the generator's range: fresh ones, or drawn from the data set."""
        seed = seed_for(self.trial.seed, "batch", step, index)
        if self.data is None:
            points = self.mixture.sample(size, seed)
        else:
            draw = torch.Generator().manual_seed(seed)
            points = self.data[torch.randint(len(self.data), (size,), generator=draw)]
        return (points / self.scale).reshape(size, -1, 1, 1)

    def _save(self) -> None:
        if self.checkpoints is None or time.monotonic() - self.saved < SECONDS_BETWEEN_SAVES:
            return
        rows = {"over_time": self.over_time, "losses": self.losses, "seconds": self.seconds}
        self.checkpoints.save(self.step, {"game": self.game.state_dict(), "rows": json.dumps(rows)})
        self.saved = time.monotonic()

    def _resume(self) -> bool:
        found = None if self.checkpoints is None else self.checkpoints.latest()
        if found is None:
            return False
        self.game.load_state_dict(found.state["game"])
        rows = json.loads(found.state["rows"])
        self.step, self.over_time, self.losses = found.step, rows["over_time"], rows["losses"]
        self.seconds = rows["seconds"]
        return True


def log_likelihood(points: Tensor, mixture: Mixture) -> float:
    """Log-likelihood, nats, of 1 000 points of the mixture under a Parzen window on `points`; bandwidth from 500."""
    candidates = [mixture.deviation * 2.0**power for power in range(-1, 9)]
    chosen_by, test = mixture.sample(500, seed_for(0, "validation")), mixture.sample(1000, seed_for(0, "test"))
    return parzen_score(points, chosen_by, test, candidates).mean
