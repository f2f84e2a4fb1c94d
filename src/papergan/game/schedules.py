"""Schedules: values that may change during training, as constants, functions of progress, or controllers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from papergan.game.step_context import StepContext


class Progress(NamedTuple):
    """The progress of training before a step.

    step: training steps done. images: real images drawn. epoch: passes over the real set,
    fractional. coming: real images that the step is about to draw; None if all steps draw equally many. There is no
    total: schedules are absolute, so that a finished run can be extended.
    """

    step: int = 0
    images: int = 0
    epoch: float = 0.0
    coming: int | None = None


Schedule = float | Callable[[Progress], float]  # constant, schedule or controller


_MAX_SCHEDULES = 64


class UnrecordableError(Exception):
    """A training step cannot be recorded as a CUDA graph; it runs eagerly instead."""


class GraphScalars:
    """Replaces `Progress` while a CUDA graph is recorded: the values of schedules become scalars on the device.

    A number that the host reads while recording would be repeated for ever. So nothing can be read here except through
    `value`, which returns a schedule's value as a float32 scalar on the device; `refill` sets these before a replay.
    """

    def __init__(self, device: torch.device) -> None:
        # One tensor from before the recording, since tensors created while recording are recreated at every replay.
        self._scalars = torch.zeros(_MAX_SCHEDULES, device=device)
        self._places: dict[Callable[[Progress], float], int] = {}
        self._values: dict[int, float] = {}

    def scalar(self, schedule: Callable[[Progress], float]) -> Tensor:
        """The device scalar of this schedule, always the same one; an `on_device` controller's own tensor."""
        if getattr(schedule, "on_device", False):
            return schedule(self)  # type: ignore[arg-type, return-value]
        if len(self._places) == _MAX_SCHEDULES and schedule not in self._places:
            raise UnrecordableError(f"more than {_MAX_SCHEDULES} schedules")
        return self._scalars[self._places.setdefault(schedule, len(self._places))]

    def refill(self, progress: Progress) -> None:
        """Set every scalar whose schedule changed to its present value. The host does not wait."""
        for schedule, place in self._places.items():
            now = schedule(progress)
            if isinstance(now, Tensor):
                raise UnrecordableError(f"{schedule!r} gives a tensor and does not say that it is `on_device`")
            if self._values.get(place) != now:
                self._scalars[place].fill_(now)
                self._values[place] = now

    def __getattr__(self, name: str) -> NoReturn:
        raise UnrecordableError(f"something reads progress.{name}, which a recording cannot follow")


def value(schedule: Schedule, progress: Progress | GraphScalars) -> float | Tensor:
    """The present value of a schedule: a number, or a scalar on the device while a CUDA graph is recorded."""
    if not callable(schedule):
        return schedule
    return progress.scalar(schedule) if isinstance(progress, GraphScalars) else schedule(progress)


@dataclass(frozen=True)
class StepDecay:
    """Step decay: initial * factor^floor(epoch / every_epochs)."""

    initial: float
    every_epochs: float
    factor: float = 0.5

    def __call__(self, progress: Progress) -> float:
        return self.initial * self.factor ** int(progress.epoch // self.every_epochs)


@dataclass(frozen=True)
class LinearDecay:
    """Linear decay: initial until start_step, then linearly to final at end_step, then final."""

    initial: float
    start_step: int
    end_step: int
    final: float = 0.0

    def __call__(self, progress: Progress) -> float:
        passed = (progress.step - self.start_step) / max(self.end_step - self.start_step, 1)
        passed = min(max(passed, 0.0), 1.0)
        return self.initial + (self.final - self.initial) * passed


@dataclass(frozen=True)
class LinearEpochDecay:
    """Linear decay by epochs: initial for `constant` epochs, then linearly to 0 within `decay` epochs."""

    initial: float
    constant: float
    decay: float

    def __call__(self, progress: Progress) -> float:
        return self.initial * (1.0 - min(max((progress.epoch - self.constant) / self.decay, 0.0), 1.0))


@dataclass(frozen=True)
class EpochDecay:
    """Exponential decay by epochs: initial until epoch `start`, initial * share^(n / epochs) in the n-th after it.

    After `epochs` such epochs the value is initial * share, and stays there.
    """

    initial: float
    start: int
    epochs: int
    share: float = 0.01

    def __call__(self, progress: Progress) -> float:
        passed = min(max(int(progress.epoch) + 1 - self.start, 0), self.epochs)
        return self.initial * float(self.share ** (passed / self.epochs))


@dataclass(frozen=True)
class CosineDecay:
    """Cosine schedule over real images seen: initial at 0, final from `images` on; final may exceed initial."""

    initial: float
    final: float
    images: float

    def __call__(self, progress: Progress) -> float:
        passed = min(progress.images / self.images, 1.0)
        return self.initial + (self.final - self.initial) * 0.5 * (1.0 - math.cos(math.pi * passed))


@dataclass(frozen=True)
class HalfLife:
    """Decay of an average by its half-life in images: 0.5^(b / max(min(images, ramp * shown), 1e-8)).

    b: real images of this step, the mean so far if all steps draw equally many; shown: real images before it. So the
    average does not depend on the batch size. images: may be a schedule. ramp: the longest half-life as a share of the
    images shown, often 0.05, so that early weights are forgotten; None for no ramp. Before the second step the decay
    is 0: b is not known, and the average begins with the weights after the first.
    Raises ValueError for a half-life or a ramp that is not above 0.
    Source: Karras et al. 2020, arXiv:1912.04958, published training loop.
    """

    images: float | Callable[[Progress], float]
    ramp: float | None = None

    def __post_init__(self) -> None:
        known = self.images if isinstance(self.images, (int, float)) else 1.0
        if not (known > 0 and (self.ramp is None or self.ramp > 0)):
            raise ValueError(f"a half-life and its ramp must be above 0, got {self.images} images and {self.ramp}")

    def __call__(self, progress: Progress) -> float:
        if not progress.step:
            return 0.0
        images = self.images if isinstance(self.images, (int, float)) else self.images(progress)
        longest = images if self.ramp is None else min(images, self.ramp * progress.images)
        drawn = progress.images / progress.step if progress.coming is None else progress.coming
        return float(0.5 ** (drawn / max(longest, 1e-8)))


@dataclass(frozen=True)
class PiecewiseConstant:
    """Piecewise constant: initial, then from each step of `changes` on its value; (step, value), sorted by step."""

    initial: float
    changes: tuple[tuple[int, float], ...]

    def __call__(self, progress: Progress) -> float:
        return next((now for step, now in reversed(self.changes) if progress.step >= step), self.initial)


@dataclass(frozen=True)
class ExponentialDecay:
    """Exponential decay: max(initial / factor^step, least)."""

    initial: float
    factor: float
    least: float = 0.0

    def __call__(self, progress: Progress) -> float:
        return max(self.initial * self.factor**-progress.step, self.least)


@dataclass(frozen=True)
class EpochRamp:
    """Linear from initial in epoch 0 to final in epoch `last`, changing once per epoch, then final."""

    initial: float
    final: float
    last: int

    def __call__(self, progress: Progress) -> float:
        return self.initial + (self.final - self.initial) * min(int(progress.epoch) / self.last, 1.0)


@dataclass(frozen=True)
class Between:
    """True from step `first` up to but excluding step `end`, None = for ever: one stage of several."""

    first: int
    end: int | None = None

    def __call__(self, progress: Progress) -> bool:
        return self.first <= progress.step and (self.end is None or progress.step < self.end)


@dataclass(frozen=True)
class EveryNSteps:
    """True at steps 0, interval, 2 * interval, ...: lazy regularisation (Karras et al. 2020, arXiv:1912.04958)."""

    interval: int

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError(f"an interval counts steps and must be at least 1, got {self.interval}")

    def __call__(self, progress: Progress) -> bool:
        return progress.step % self.interval == 0


class Controller(Protocol):
    """A schedule with state that observes the training; its state is part of every checkpoint.

    A controller that is an `nn.Module`, with its state in buffers, moves to the device with the game.
    A class with `on_device = True` promises that its state is tensors on the game's device, changed only in place, that
    `state_dict` returns these very tensors, and that no method but `load_state_dict` reads them, or progress, on the
    host; its value is a float32 scalar. Games with any other controller are not recorded as CUDA graphs.
    """

    def __call__(self, progress: Progress) -> float: ...

    def observe(self, player: str, context: StepContext) -> None:
        """Called after each optimiser step of `player`, with the context of that step."""

    def report(self) -> Mapping[str, Tensor]:
        """Values for the report after a training step, float32 scalars on the device, named "controller.key" there."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
