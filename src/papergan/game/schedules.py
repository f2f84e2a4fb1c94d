"""Numbers that may move during training: constants, schedules and controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from papergan.game.step_context import StepContext


class Progress(NamedTuple):
    """Where training stands, before the step that is about to be played.

    step: iterations done (one iteration plays every turn). images: real images drawn. epoch: passes over the real set,
    fractional. There is no total: schedules are absolute, so that a finished run can be extended.
    """

    step: int = 0
    images: int = 0
    epoch: float = 0.0


Schedule = float | Callable[[Progress], float]  # constant, schedule or controller


_MOST_KNOBS = 64


class UnrecordableError(Exception):
    """An iteration cannot be recorded; it is played anew every time instead."""


class GraphScalars:
    """Stands in for `Progress` while an iteration is recorded, to be repeated later: knobs become device scalars.

    A number that the host reads while recording would be repeated for ever. So nothing can be read here except
    through `value`, which shows a knob as a float32 scalar on the device; `turn` refills those before a repetition.
    """

    def __init__(self, device: torch.device) -> None:
        # One tensor from before the recording, since what is made while recording is made anew at every repetition.
        self._scalars = torch.zeros(_MOST_KNOBS, device=device)
        self._places: dict[Callable[[Progress], float], int] = {}
        self._shown: dict[int, float] = {}

    def show(self, knob: Callable[[Progress], float]) -> Tensor:
        """The scalar of this knob, always the same one; an `on_device` controller's own tensor."""
        if getattr(knob, "on_device", False):
            return knob(self)  # type: ignore[arg-type, return-value]
        if len(self._places) == _MOST_KNOBS and knob not in self._places:
            raise UnrecordableError(f"more than {_MOST_KNOBS} knobs move")
        return self._scalars[self._places.setdefault(knob, len(self._places))]

    def turn(self, progress: Progress) -> None:
        """Show every knob as it is at this moment. The host does not wait; a dial that stays costs nothing."""
        for knob, place in self._places.items():
            now = knob(progress)
            if isinstance(now, Tensor):
                raise UnrecordableError(f"{knob!r} gives a tensor and does not say that it is `on_device`")
            if self._shown.get(place) != now:
                self._scalars[place].fill_(now)
                self._shown[place] = now

    def __getattr__(self, name: str) -> NoReturn:
        raise UnrecordableError(f"something reads progress.{name}, which a recording cannot follow")


def value(knob: Schedule, progress: Progress | GraphScalars) -> float | Tensor:
    """What a knob shows at this moment: a number, or a scalar on the device where a recording is made of it."""
    if not callable(knob):
        return knob
    return progress.show(knob) if isinstance(progress, GraphScalars) else knob(progress)


@dataclass(frozen=True)
class StepDecay:
    """initial * factor^floor(epoch / every_epochs): the step-based schedule of tahvili2025, section V.C."""

    initial: float
    every_epochs: float
    factor: float = 0.5

    def __call__(self, progress: Progress) -> float:
        return self.initial * self.factor ** int(progress.epoch // self.every_epochs)


@dataclass(frozen=True)
class LinearDecay:
    """initial until start_step, then linearly to final at end_step, then final."""

    initial: float
    start_step: int
    end_step: int
    final: float = 0.0

    def __call__(self, progress: Progress) -> float:
        passed = (progress.step - self.start_step) / max(self.end_step - self.start_step, 1)
        passed = min(max(passed, 0.0), 1.0)
        return self.initial + (self.final - self.initial) * passed


@dataclass(frozen=True)
class Warmup:
    """before until step, after from then on, for example an average whose decay grows once the weights have settled."""

    before: float
    after: float
    step: int

    def __call__(self, progress: Progress) -> float:
        return self.before if progress.step < self.step else self.after


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
    """A knob that watches the game and keeps state; its state is part of every checkpoint.

    One that is a `nn.Module`, its state buffers, moves to the device with the game.
    A class that says `on_device = True` promises that its state is tensors on the game's device, changed in place only,
    that `state_dict` gives those very tensors, and that no method but `load_state_dict` reads them, or progress, on the
    host; its value is a float32 scalar. Games with any other controller are not recorded as CUDA graphs.
    """

    def __call__(self, progress: Progress) -> float: ...

    def observe(self, player: str, context: StepContext) -> None:
        """Called after each move of `player`, with what that move looked at."""

    def report(self) -> Mapping[str, Tensor]:
        """What reports show of it after an iteration, float32 scalars on the device; called "controller.key" there."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
