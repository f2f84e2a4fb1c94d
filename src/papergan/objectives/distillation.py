"""Knowledge distillation of a generator: terms that make a student imitate a teacher on the same latents."""

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

    pixels: weight of the L1 distance between the student's and the teacher's images for the same latents. features:
    weight of the L1 distance between the discriminator's features of these images. adversarial: the discriminator
    distinguishes the student's images from the data, or from the teacher's images; in the latter case only the
    teacher's images are used (a black box).
    Sources: Aguinaldo et al. 2019, arXiv:1902.00159 (pixels, there squared, and an adversarial loss against data);
    Chang and Lu 2020 (TinyGAN), arXiv:2009.13829, section 3 and their code (pixels, features, and adversarial losses
    against the teacher and, with a fifth of the weight, against data; there the weight of the pixels decays to 0).
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
    """A trained generator with frozen weights, called like the student: latents -> float [B, C, S, S] in [-1, 1].

    Not a module: it belongs to no player, checkpoint or model folder. The recipe names the teacher, so `use` gives it
    to a game that trains; a game that only samples needs none.
    """

    def __init__(self) -> None:
        self._network: Callable[..., Tensor] | None = None

    def use(self, network: Callable[..., Tensor]) -> None:
        """Use the images of this network from now on; it is frozen, in evaluation mode, on the game's device."""
        self._network = network

    def images(self, context: StepContext, match: Match) -> Tensor:
        """The teacher's images for the student's latents of this match and step, float32, without a gradient.

        Raises ValueError if no network has been given.
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
    """mean |G(z) - T(z)| over all elements, T the teacher.

    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, pixel-level distillation loss.
    """

    teacher: Teacher

    def __call__(self, context: StepContext) -> Tensor:
        return (context.fake(self.match) - self.teacher.images(context, self.match)).abs().mean()


@dataclass(frozen=True)
class TeacherFeatureDistance(Term):
    """mean over layers of mean |f(G(z)) - f(T(z))|, f the discriminator's features of unaugmented images.

    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, feature-level distillation loss, there a weighted sum
    over layers. The teacher's side is a constant. Raises ValueError for a discriminator that has no features.
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
    """The teacher's images as the real ones of all terms, with the classes that they were generated for.

    One for each real image of the batch, from the first of its latents if there are several fakes per real image.
    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, adversarial distillation loss.
    """

    teacher: Teacher
    match: Match

    def images(self, context: StepContext) -> Tensor:
        return self.teacher.images(context, self.match)[:: context.turn.fakes_per_real]

    def labels(self, context: StepContext) -> Tensor:
        return context.latent(self.match)[-1].argmax(1)[:: context.turn.fakes_per_real]


def with_distillation(game: Game, settings: Distillation) -> Game:
    """The game with a generator that also learns from a teacher, in those of its turns that are taken in every step.

    With adversarial "teacher", no image of the data reaches a term, a controller or the augmentation. Raises ValueError
    if the game has no such turn, and, with adversarial "teacher", if the initial weights are set from the data.
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
