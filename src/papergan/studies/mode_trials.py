"""Trials of the mode stress test: training on points of the plane, with modes counted at intervals."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from papergan import systems
from papergan.config.mode_stress import DIVERGENCE, LIKELIHOOD, MODES, POINT, QUALITY, ModeResult, ModeTrial
from papergan.errors import Interrupted, NotFiniteError
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.metrics.modes import Mixture, mode_coverage
from papergan.metrics.parzen import choose_bandwidth, parzen_log_likelihood
from papergan.randomness import own_random_state, seed_for
from papergan.training.history import Row, RunningMean
from papergan.training.numerics import numerics

MARGIN = 1.25  # the outermost centre lies at 1 / MARGIN of the generator's range, that of tanh
NUM_SHOWN_POINTS = 1000  # points that are kept for the picture


def train_on_points(trial: ModeTrial, stop: Callable[[], int | None], report: Callable[[Row], None]) -> ModeResult:
    """Train on points and count modes, on the CPU.

    report: called after every count. stop: the number of a stop signal, or None.
    Raises Interrupted after a stop signal; the result of a trial that diverges says so.
    """
    recipe, mixture = trial.recipe, trial.recipe.targets[trial.target].mixture()
    scale = MARGIN * float(mixture.centres.abs().max())
    game = systems.build(recipe.system, POINT, trial.settings, seed=trial.seed)
    over_time: list[Row] = []
    losses: list[Row] = []
    running_mean, guard, step, seconds = RunningMean(), NonFiniteGuard(game.device), 0, 0.0
    diverged = None
    with numerics("float32", deterministic=False), own_random_state("cpu"):
        try:
            while True:
                if (number := stop()) is not None:
                    raise Interrupted(number, f"stopped by signal {number} in {trial.name}; run again to go on")
                guard.check()
                over_time.append(
                    {"step": float(step), **_counted(_points(game, recipe.samples, trial.seed, scale), mixture)}
                )
                losses += [{"step": float(step), **running_mean.read()}] if step else []
                report({**over_time[-1], **(losses[-1] if losses else {})})
                if step == recipe.steps:
                    break
                began, until = time.perf_counter(), min(step + recipe.every_steps, recipe.steps)
                for now in range(step, until):
                    _step(trial, mixture, game, now, scale, running_mean, guard)
                step, seconds = until, seconds + time.perf_counter() - began
        except NotFiniteError as error:
            diverged = f"diverged at {error}"
        points = [] if diverged else _points(game, NUM_SHOWN_POINTS, trial.seed, scale).tolist()
    return ModeResult(over_time, losses, seconds / max(1, step), points, diverged)


def _step(
    trial: ModeTrial, mixture: Mixture, game: Game, step: int, scale: float, running_mean: RunningMean,
    guard: NonFiniteGuard,
) -> None:  # fmt: skip
    """One training step; its random numbers are a function of (seed, step)."""
    size = trial.recipe.batch_size
    torch.manual_seed(seed_for(trial.seed, "step", step))
    batches = [
        {"image": (mixture.sample(size, seed_for(trial.seed, "batch", step, index)) / scale).reshape(size, -1, 1, 1)}
        for index in range(game.batches_per_step)
    ]
    running_mean.add(training_step(game, batches, Progress(step, step * size * game.batches_per_step), guard))


def _points(game: Game, count: int, seed: int, scale: float) -> Tensor:
    """Generated points [count, 2] in the plane of the mixture."""
    points = torch.cat(list(game.sampler().stream(count, seed=seed))).flatten(1) * scale
    if not bool(points.isfinite().all()):
        raise NotFiniteError("generated points are not finite")
    return points


def _counted(points: Tensor, mixture: Mixture) -> Row:
    found, density = mode_coverage(points, mixture), log_likelihood(points, mixture)
    return {MODES: float(found.modes), QUALITY: found.high_quality, DIVERGENCE: found.divergence, LIKELIHOOD: density}


def log_likelihood(points: Tensor, mixture: Mixture) -> float:
    """Log-likelihood, nats, of 1 000 points of the mixture under a Parzen window on `points`; bandwidth from 500."""
    candidates = [mixture.deviation * 2.0**power for power in range(-1, 9)]
    width = choose_bandwidth(points, mixture.sample(500, seed_for(0, "validation")), candidates)
    return parzen_log_likelihood(points, mixture.sample(1000, seed_for(0, "test")), width)[0]
