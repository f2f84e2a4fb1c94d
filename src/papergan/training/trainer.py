"""The trainer: the training loop of every game."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import torch

from papergan.errors import CheckpointError, Interrupted, NotFiniteError
from papergan.game.cuda_graphs import CudaEngine, GraphedStep
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard, check_finite, finite_only
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.randomness import own_random_state, seed_for, set_seed
from papergan.training.batches import Batches
from papergan.training.best_generators import BestGenerators
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.export import export_generator
from papergan.training.history import History, Row, RunningMean
from papergan.training.memory import memory_errors
from papergan.training.numerics import autocast_type, numerics
from papergan.training.progress_bar import ProgressBar
from papergan.training.sample_history import SampleHistory
from papergan.training.train_settings import TrainSettings
from papergan.validation import one_line_error

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a game on real images for `settings.steps` steps, from the newest checkpoint.

    Every step draws its randomness from (settings.seed, step) and its real batches from (seed, index): on a CPU, a run
    that was stopped and resumed is bit-identical to an uninterrupted one.
    """

    def __init__(
        self, game: Game, batches: Batches, settings: TrainSettings, store: CheckpointStore, callbacks: Callbacks
    ) -> None:
        self.game, self.batches, self.settings, self.store, self.callbacks = game, batches, settings, store, callbacks
        self.step = 0
        self.evaluated = 0  # the last step that was evaluated
        self.seconds = 0.0  # of training proper, over all interruptions
        self.history, self.best, self.sample_history = History(), BestGenerators(settings.keep), SampleHistory()
        self._running_mean, self._guard = RunningMean(newest=settings.report_as == "step"), NonFiniteGuard(game.device)
        self._autocast = autocast_type(settings.precision)
        self._graphs: GraphedStep | None = None
        if settings.cuda_graphs and game.device.type == "cuda":
            engine = CudaEngine(game.device)
            self._graphs = GraphedStep(game, self._guard, self._autocast, engine, exact=settings.deterministic)
        self._started = time.perf_counter()
        self._reported = (0, 0.0)  # step and seconds at the last report
        self._saved = (-1, -1)  # step and evaluated at the last save
        self._saved_at = time.monotonic()

    @property
    def progress(self) -> Progress:
        return self.batches.progress(self.step, self.game.batches_per_step)

    def run(self) -> None:
        """Train until the last step.

        Raises NotFiniteError at the first report, evaluation or save after a loss or gradient is not finite (weights:
        at evaluations and saves), Interrupted after a stop signal, when a checkpoint has been saved, MemoryShortError,
        CheckpointError if checkpoints are damaged or locked, StorageError if they cannot be written. The newest
        checkpoint, if there is one, can be resumed after all of them but CheckpointError.
        """
        precise = numerics(self.settings.precision, deterministic=self.settings.deterministic)
        with self.store.locked(), precise, own_random_state(self.game.device):
            self._resume()
            self.callbacks.leader.begin(self.game)
            what, size = f"training on {self.game.device}", max(self.batches.plan.sizes.all)
            advice = f"lower training.batch_size (now {size}), which makes it another recipe, or evaluation.batch_size"
            advice += "" if self._graphs is None else ", or do without training.cuda_graphs"
            with ProgressBar(self.settings.steps, self.step) as display, memory_errors(what, advice):
                self._loop(display)

    def _loop(self, display: ProgressBar) -> None:
        settings = self.settings
        self._started = time.perf_counter()
        while True:
            finished = self.step >= settings.steps
            every, count = settings.evaluate_every, self.game.batches_per_step
            due = every > 0 and self.batches.are_due(self.step, count, every)
            if (due or finished) and self.evaluated != self.step:
                with display.aside():
                    self._evaluate()
            if finished:
                break
            if time.monotonic() - self._saved_at > 60 * settings.save_minutes:
                self.save()
            self._raise_if_stopped()
            self._run_step()
            display.step()
            if self._report_is_due():
                self._report(display)
        self.save()

    def _run_step(self) -> None:
        real = self.batches.of_step(self.step, self.game.batches_per_step)
        seed = seed_for(self.settings.seed, "step", self.step)
        with self.callbacks.leader.step(self.step):
            if self._graphs is not None:
                report = self._graphs(real, self.progress, seed)
            else:
                set_seed(seed, self.game.device)
                report = training_step(self.game, real, self.progress, self._guard, self._autocast)
            self._running_mean.add(report)
        self.step += 1

    def _report_is_due(self) -> bool:
        done, count = self.step, self.game.batches_per_step
        done = done if self.settings.report_as == "means" else self.batches.step_of_epoch(done - 1, count) + 1
        return done % self.settings.report_every == 0 or self.step == self.settings.steps

    def _report(self, display: ProgressBar) -> None:
        self._guard.check()
        losses = self._running_mean.read()
        self._count_time()
        step, seconds = self._reported
        images = self.progress.images - self.batches.progress(step, self.game.batches_per_step).images
        self._reported = (self.step, self.seconds)
        numbers = {**losses, **self.game.progress_report()}
        row = {**self._position(), **numbers, "images_per_second": images / max(self.seconds - seconds, 1e-9)}
        self.history.losses.append(row)
        self.callbacks.report(row)
        display.report(row, self.seconds / self.step)

    def _evaluate(self) -> None:
        if self.callbacks.evaluate is None:
            return
        self._check_finite(self.game.state_dict())
        self._count_time()
        sampler = export_generator(
            self.game, self.progress, seed=self.settings.seed, batch_norm_batches=self.settings.batch_norm_batches,
            averaged=self.settings.averaged,
        )  # fmt: skip
        try:
            metrics = self.callbacks.evaluate(sampler, self.game, self.progress)
        except Interrupted:
            self._started = time.perf_counter()
            self.save()
            raise
        except NotFiniteError as error:
            raise NotFiniteError(f"step {self.step}: {error}") from error
        metrics = finite_only(metrics, f"evaluation at step {self.step}")
        self.best.consider(sampler, metrics, self.progress)
        self.sample_history.add(sampler, self.settings.seed, self.progress, self.game.progress_report())
        row = {**self._position(), **metrics}
        self.history.metrics.append(row)
        self.evaluated = self.step
        self._started = time.perf_counter()
        self.callbacks.evaluated(row)

    def _count_time(self) -> None:
        """Add the time since the last call to the training time, which excludes evaluation."""
        now = time.perf_counter()
        self.seconds += now - self._started
        self._started = now

    def _position(self) -> Row:
        return {"step": self.step, "epoch": self.progress.epoch, "images": self.progress.images}

    def _raise_if_stopped(self) -> None:
        if (number := self.callbacks.stop()) is not None:
            self.save()
            again = "run again" if self.settings.resume else "run again without training.resume=false"
            raise Interrupted(number, f"stopped by signal {number} at step {self.step}; {again} to go on from there")

    def save(self) -> None:
        """Write a checkpoint of the present state, unless it exists; never with weights that are not finite."""
        game = self.game.state_dict()
        self._check_finite(game)
        self._count_time()
        if self._saved != (self.step, self.evaluated):
            state = {
                "game": game,
                "step": self.step,
                "evaluated": self.evaluated,
                "seconds": self.seconds,
                "reported": self._reported,
                "meter": self._running_mean.state_dict(),
                "history": self.history.dumps(),
                "best": self.best.state_dict(),
                "album": self.sample_history.state_dict(),
                "rules": self.settings.rules,
            }
            self.store.save(self.step, state, images=self.progress.images, torch=torch.__version__)
        self._saved, self._saved_at = (self.step, self.evaluated), time.monotonic()

    def _check_finite(self, state: Mapping[str, Any]) -> None:
        self._guard.check()
        check_finite(self.step, state)

    def _resume(self) -> None:
        if (checkpoint := self.store.latest()) is None:
            return
        if checkpoint.step > self.settings.steps:
            raise CheckpointError(
                f"{self.store.folder}: trained for {checkpoint.step} steps already, the recipe asks for "
                f"{self.settings.steps}; raise the budget, or start over with training.resume=false"
            )
        state = checkpoint.state
        if self._graphs is not None:
            self._graphs.reset()
        try:
            self.game.load_state_dict(state["game"])
            self.step, self.evaluated, self.seconds = state["step"], state["evaluated"], state["seconds"]
            self._reported = tuple(state["reported"])
            self._running_mean.load_state_dict(state["meter"], self.game.device)
            self.history.loads(state["history"])
            self.best.load_state_dict(state["best"])
            self.sample_history.load_state_dict(state["album"])
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.store.folder}: step {checkpoint.step} is of another game or version: {one_line_error(error)}"
            ) from error
        if state["rules"] != self.settings.rules:  # those metrics must not be compared with new ones
            logger.warning("Evaluated under other rules before: %d evaluations are dropped", len(self.history.metrics))
            self.history.metrics, self.evaluated = [], 0
            self.best, self.sample_history = BestGenerators(self.settings.keep), SampleHistory()
        self._saved, self._saved_at = (self.step, self.evaluated), time.monotonic()
        logger.info("Resumed from the checkpoint of step %d of %d", self.step, self.settings.steps)
        self.callbacks.resumed(self.history)
