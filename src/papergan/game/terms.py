"""Terms: scalars that a player minimises. Terms common to all games are here, others in `objectives`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from papergan.game.game import Match, Side
from papergan.game.schedules import Schedule
from papergan.game.step_context import StepContext


class BothScores(Protocol):
    """Logits of the two sides, [B] each; reading one runs the discriminator on that side."""

    @property
    def real(self) -> Tensor: ...

    @property
    def fake(self) -> Tensor: ...


class Loss(Protocol):
    """An adversarial loss: one formula for each player, both to be minimised.

    One whose scores are vectors [B, K], without a sign, says so by `vector_scores: ClassVar[bool] = True`.
    """

    def discriminator(self, scores: BothScores) -> Tensor: ...

    def generator(self, scores: BothScores) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Term(ABC):
    """The base class: one equation on a `StepContext`, without own networks; a player minimises weight * value."""

    differentiates: ClassVar[Side | None] = None  # the images with respect to which it takes gradients

    weight: Schedule = 1.0
    match: Match = field(default_factory=Match)

    @property
    def name(self) -> str:
        """The name in reports: the class name in snake case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @abstractmethod
    def __call__(self, context: StepContext) -> Tensor:
        """The unweighted value, a float32 scalar."""


@dataclass(frozen=True)
class DiscriminatorLoss(Term):
    """The discriminator's side of an adversarial loss."""

    loss: Loss

    def __call__(self, context: StepContext) -> Tensor:
        return self.loss.discriminator(context.scores(self.match))


@dataclass(frozen=True)
class GeneratorLoss(Term):
    """The generator's side of an adversarial loss."""

    loss: Loss

    def __call__(self, context: StepContext) -> Tensor:
        return self.loss.generator(context.scores(self.match))


@dataclass(frozen=True)
class Extra(Term):
    """An additional scalar computed by the discriminator, by its key in `DiscriminatorOutput.extras`.

    real, fake: on which side; if both, they are summed.
    """

    key: str
    real: bool = False
    fake: bool = False

    def __post_init__(self) -> None:
        if not (self.real or self.fake):
            raise ValueError(f"the term for extra {self.key!r} must read the real side, the fake one, or both")

    @property
    def name(self) -> str:
        return self.key

    def __call__(self, context: StepContext) -> Tensor:
        values = []
        if self.real:
            values.append(context.discriminated_real(self.match).extras[self.key])
        if self.fake:
            values.append(context.discriminated_fake(self.match).extras[self.key])
        return torch.stack(values).float().sum()
