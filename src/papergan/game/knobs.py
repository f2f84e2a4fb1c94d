"""Numbers that may move during training: constants, schedules and controllers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from papergan.game.round import Round


class Progress(NamedTuple):
    """Where training stands, before the step that is about to be played.

    step: iterations done (one iteration plays every turn). images: real images drawn. epoch: passes over the real set,
    fractional. There is no total: schedules are absolute, so that a finished run can be extended.
    """

    step: int = 0
    images: int = 0
    epoch: float = 0.0


Knob = float | Callable[[Progress], float]  # constant, schedule or controller


def value(knob: Knob, progress: Progress) -> float:
    """What a knob shows at this moment."""
    return knob(progress) if callable(knob) else knob


@dataclass(frozen=True)
class StepDecay:
    """initial * factor^floor(epoch / every_epochs): the step-based schedule of document 000, section V.C."""

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
class Every:
    """True at steps 0, interval, 2 * interval, ...: lazy regularisation (Karras et al. 2020, arXiv:1912.04958)."""

    interval: int

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError(f"an interval counts steps and must be at least 1, got {self.interval}")

    def __call__(self, progress: Progress) -> bool:
        return progress.step % self.interval == 0


class Controller(Protocol):
    """A knob that watches the game and keeps state; its state is part of every checkpoint."""

    def __call__(self, progress: Progress) -> float: ...

    def observe(self, player: str, round: Round) -> None:
        """Called after each move of `player`, with what that move looked at."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
