"""Knowledge distillation of a generator: the terms by which a student imitates a teacher on the same latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from papergan.game.game import Game, Match, always
from papergan.game.step_context import StepContext
from papergan.game.terms import Term
from papergan.validation import StrictModel

Weight = Annotated[float, Field(ge=0.0)]


class Distillation(StrictModel):
    """How a student learns from its teacher; a setting of every system whose generator is given latents.

    pixels: weight of the L1 distance between the images of both for the same latents. features: of the L1 distance
    between the discriminator's features of both. adversarial: the discriminator tells the student's images from those
    of the data, or from the teacher's, in which case nothing but the teacher's images is looked at (a black box).
    Sources: Aguinaldo et al. 2019, arXiv:1902.00159 (pixels, there squared, and an adversarial loss against data);
    Chang and Lu 2020 (TinyGAN), arXiv:2009.13829, section 3 and their code (pixels, features, and adversarial losses
    against the teacher and, with a fifth of the weight, against data; the weight of the pixels falls to 0 there).
    """

    pixels: Weight = 1.0
    features: Weight = 0.0
    adversarial: Literal["data", "teacher"] = "data"

    @model_validator(mode="after")
    def _teaches(self) -> Distillation:
        if not self.pixels and not self.features and self.adversarial == "data":
            raise ValueError("the teacher has no part in it: give pixels or features, or adversarial: teacher")
        return self


class Teacher:
    """A trained generator that never moves, called as the student is: latents -> float [B, C, S, S] in [-1, 1].

    No module: it is in no player, checkpoint or model folder. Which one, a recipe says, so `use` gives it to a game
    that trains; one that only samples does without.
    """

    def __init__(self) -> None:
        self._network: Callable[..., Tensor] | None = None

    def use(self, network: Callable[..., Tensor]) -> None:
        """Take the images of this network from now on; it is frozen, in evaluation mode, on the game's device."""
        self._network = network

    def images(self, context: StepContext, match: Match) -> Tensor:
        """Its images of the latents that the student of this match has in this step, float32, without a gradient.

        Raises ValueError before a network was given.
        """
        if self._network is None:
            raise ValueError("the teacher of a distillation was not given")
        network = self._network

        def generate() -> Tensor:
            with torch.no_grad():
                return network(*context.latent(match)).float()

        return context.cached("teacher", match.source, compute=generate)


@dataclass(frozen=True)
class TeacherDistance(Term):
    """mean |G(z) - T(z)| over everything, T the teacher.

    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, pixel-level distillation loss.
    """

    teacher: Teacher

    def __call__(self, context: StepContext) -> Tensor:
        return (context.fake(self.match) - self.teacher.images(context, self.match)).abs().mean()


@dataclass(frozen=True)
class TeacherFeatureDistance(Term):
    """mean over layers of mean |f(G(z)) - f(T(z))|, f the discriminator's features of images that are not augmented.

    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, feature-level distillation loss, there a weighted sum
    over layers. The side of the teacher is a constant. Raises ValueError for a discriminator that has no features.
    """

    teacher: Teacher

    def __call__(self, context: StepContext) -> Tensor:
        first, *rest = context.input_fake(self.match)
        if context.game.augment is None:
            made = context.discriminated_fake(self.match).features
        else:
            made = context.discriminate(self.match, context.fake(self.match).reshape(first.shape), *rest).features
        with torch.no_grad():
            images = self.teacher.images(context, self.match).reshape(first.shape)
            given = context.discriminate(self.match, images, *rest).features
        if not given:
            raise ValueError("distillation.features needs a discriminator with features; this one has none")
        parts = [(one.float() - other.float()).abs().mean() for one, other in zip(made, given, strict=True)]
        return sum(parts[1:], parts[0]) / len(parts)


@dataclass(frozen=True)
class TeacherAsReal:
    """The teacher's images as the real ones of all terms, with the classes that they were made of.

    One of each real image's place in the batch, of the first of its latents where there are several fakes for it.
    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, adversarial distillation loss.
    """

    teacher: Teacher
    match: Match

    def images(self, context: StepContext) -> Tensor:
        return self.teacher.images(context, self.match)[:: context.turn.fakes_per_real]

    def labels(self, context: StepContext) -> Tensor:
        return context.latent(self.match)[-1].argmax(1)[:: context.turn.fakes_per_real]


def with_distillation(game: Game, settings: Distillation) -> Game:
    """The game whose generator learns from a teacher too, in the turns of its player that are taken in every step.

    Against the teacher no image of the data reaches a term, a controller or the augmentation. Raises ValueError where
    the game has no such turn, and against the teacher where the first weights are set from the data.
    """
    teacher, match = Teacher(), game.showcase
    terms: list[Term] = []
    if settings.pixels:
        terms.append(TeacherDistance(teacher, weight=settings.pixels, match=match))
    if settings.features:
        terms.append(TeacherFeatureDistance(teacher, weight=settings.features, match=match))
    players = {name for name, player in game.players.items() if match.generator in player.networks}
    places = [n for n, turn in enumerate(game.turns) if turn.player in players and turn.when is always]
    if not places or match.discriminator not in game.networks:
        raise ValueError("distillation is for a generator that learns from a discriminator in every step")
    turns = list(game.turns)
    for place in places:
        turns[place] = replace(turns[place], objective=(*turns[place].objective, *terms))
    reals = TeacherAsReal(teacher, match) if settings.adversarial == "teacher" else None
    if reals and game.start_from:
        raise ValueError("distillation.adversarial: teacher cannot be: the first weights of this system are set from "
                         "the images of the data")  # fmt: skip
    return replace(game, turns=tuple(turns), reals=reals)


def teacher_of(game: Game) -> Teacher | None:
    """The teacher that a game's generator learns from, or None."""
    held = [game.reals, *(term for turn in game.turns for term in turn.objective)]
    found = (getattr(one, "teacher", None) for one in held)
    return next((one for one in found if isinstance(one, Teacher)), None)
