"""Training of trials without images: measured at intervals, resumed from checkpoints, on the CPU."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from papergan.config.trials import GroupedTrial, TrialRecord
from papergan.datasets.trial_results import FileTrialStore
from papergan.errors import CheckpointError, Interrupted, NotFiniteError
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.randomness import own_random_state, seed_for, set_seed
from papergan.tracking import Tracker, provenance
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row, RunningMean
from papergan.training.numerics import flushed_denormals, numerics
from papergan.training.signals import stoppable
from papergan.validation import one_line_error

SECONDS_BETWEEN_SAVES = 60.0

Stop = Callable[[], int | None]
T = TypeVar("T", bound=GroupedTrial)
R = TypeVar("R", bound=TrialRecord)


class ResumableTrainer(ABC, Generic[T, R]):
    """Trains trials without images, each from its newest checkpoint in `trials`."""

    def __init__(self, trials: FileTrialStore[R]) -> None:
        self.trials: FileTrialStore[R] = trials

    @abstractmethod
    def training(
        self, trial: T, report: Callable[[Row], None], checkpoints: CheckpointStore | None
    ) -> ResumableTraining[T, R]:
        """The training of a trial."""

    def __call__(self, trial: T, tracker: Tracker) -> R:
        """Train a trial and return its result. Raises Interrupted after a stop signal."""
        with stoppable(trial.name) as stop, self.trials.unfinished(trial.key) as checkpoints:
            return self.training(trial, tracker.report, checkpoints).run(stop)

    def data_digest(self, trial: T) -> str:
        """The empty text, since training data are drawn and no images are read."""
        return ""

    def check(self, trial: T, found: R) -> None:
        """Accept a stored result: the key of a trial without images has the digest of its data."""


class ResumableTraining(ABC, Generic[T, R]):
    """A game at a step of its training. over_time, losses: a row per measurement so far; seconds: spent on steps.

    record: the class of its result. steps: in total; every_steps: between measurements. report: called after each
    measurement, and with those before when a training is resumed. checkpoints: from which a stopped training resumes,
    bit for bit; None starts from the beginning.
    """

    record: type[R]

    def __init__(
        self, game: Game, trial: T, steps: int, every_steps: int, report: Callable[[Row], None],
        checkpoints: CheckpointStore | None,
    ) -> None:  # fmt: skip
        self.game, self.trial, self.steps, self.every_steps = game, trial, steps, every_steps
        self.report, self.checkpoints = report, checkpoints
        self.running_mean, self.guard = RunningMean(), NonFiniteGuard(game.device)
        self.step, self.seconds, self.saved = 0, 0.0, time.monotonic()
        self.over_time: list[Row] = []
        self.losses: list[Row] = []

    @abstractmethod
    def training_values(self, step: int) -> dict[str, Tensor]:
        """One training step, for which the random state is set. Returns what `training_step` does."""

    @abstractmethod
    def measure(self) -> Row:
        """A measurement after `self.step` steps. Raises NotFiniteError."""

    @abstractmethod
    def result(self) -> R:
        """The result after the last step, without the measurements during training. Raises NotFiniteError."""

    def run(self, stop: Stop) -> R:
        """Train to the end, from the newest checkpoint; the result of a diverged training says so.

        stop: returns the number of a stop signal, or None. Raises Interrupted after one.
        """
        with numerics("float32", deterministic=False), flushed_denormals(), own_random_state("cpu"):
            try:
                self._train(stop)
                result = self.result()
            except NotFiniteError as error:
                result = self.record(diverged=f"diverged at {error}")
        return replace(
            result, over_time=self.over_time, losses=self.losses, seconds_per_step=self.seconds / max(1, self.step),
            provenance=cpu_provenance(),
        )  # fmt: skip

    def train_step(self, step: int) -> None:
        """One training step, whose values are added to the running means; a function of (seed, step)."""
        set_seed(seed_for(self.trial.seed, "step", step), "cpu")
        self.running_mean.add(self.training_values(step))

    def _train(self, stop: Stop) -> None:
        if not self._resume():
            self._measure()
        while self.step < self.steps:
            began = time.perf_counter()
            until = min(self.step - self.step % self.every_steps + self.every_steps, self.steps)
            number = None
            while self.step < until and (number := stop()) is None:
                self.train_step(self.step)
                self.step += 1
            self.seconds += time.perf_counter() - began
            if number is not None:
                self.guard.check()
                self._save()
                raise Interrupted(number, f"stopped by signal {number} in {self.trial.name}; run again to go on")
            self._measure()
            if self.step == self.steps or time.monotonic() - self.saved >= SECONDS_BETWEEN_SAVES:
                self._save()

    def _measure(self) -> None:
        self.guard.check()
        self.over_time.append({"step": float(self.step), **self.measure()})
        self.losses += [{"step": float(self.step), **self.running_mean.read()}] if self.step else []
        self.report({**self.over_time[-1], **(self.losses[-1] if self.losses else {})})

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        rows = {"over_time": self.over_time, "losses": self.losses, "seconds": self.seconds}
        state = {"game": self.game.state_dict(), "rows": json.dumps(rows), "meter": self.running_mean.state_dict()}
        self.checkpoints.save(self.step, state)
        self.saved = time.monotonic()

    def _resume(self) -> bool:
        """Load the newest checkpoint, and report its measurements once more: the tracker may be of another process."""
        found = None if self.checkpoints is None else self.checkpoints.latest()
        if found is None or self.checkpoints is None:
            return False
        try:
            self.game.load_state_dict(found.state["game"])
            rows = json.loads(found.state["rows"])
            self.over_time, self.losses, self.seconds = rows["over_time"], rows["losses"], rows["seconds"]
            if "meter" in found.state:  # earlier versions saved after measurements only
                self.running_mean.load_state_dict(found.state["meter"], self.game.device)
        except (ValueError, RuntimeError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.checkpoints.folder}: step {found.step} is of another game or version: {one_line_error(error)}; "
                "delete that folder to train the trial anew"
            ) from error
        self.step = found.step
        for row, losses in zip(self.over_time, [{}, *self.losses], strict=True):
            self.report({**row, **losses})
        return True


def cpu_provenance() -> dict[str, str]:
    """Hardware, versions and commit of a trial on the CPU, for its result."""
    commit = provenance.commit()
    text = f"{commit.name[:12]}{' with uncommitted changes' if commit.dirty else ''}"
    return {"hardware": provenance.hardware(torch.device("cpu")), **provenance.versions(), "commit": text}
