"""Knowledge distillation of a generator: the terms by which a student imitates a teacher on the same latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from papergan.game.discriminator_input import DiscriminatorInput, images_only
from papergan.game.game import Game, Match, Turn, always
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

    def augmented(self, context: StepContext, match: Match) -> Tensor:
        """Its augmented images, the input of a discriminator."""
        augment, images = context.game.augment, self.images(context, match)
        if augment is None:
            return images
        return context.cached("teacher", "augmented", match.source, compute=lambda: augment(images))


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
    """The teacher's image on the real side, with the classes or latents that it was made of.

    Source: Chang and Lu 2020 (arXiv:2009.13829), section 3.1, adversarial distillation loss.
    """

    teacher: Teacher
    inputs: DiscriminatorInput = images_only

    @property
    def images_per_score(self) -> int:
        return self.inputs.images_per_score

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        first, *rest = self.inputs.fake(context, match)
        return self.teacher.augmented(context, match).reshape(first.shape), *rest

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return self.inputs.fake(context, match)


def with_distillation(game: Game, settings: Distillation) -> Game:
    """The game whose generator learns from a teacher too, in the turns of its player that are taken in every step.

    Raises ValueError where the game has no such turn, and where a term looks at real images that the discriminator is
    not shown.
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
    if settings.adversarial == "teacher":
        turns = [_against(turn, teacher, match) for turn in turns]
    return replace(game, turns=tuple(turns))


def _against(turn: Turn, teacher: Teacher, match: Match) -> Turn:
    """The turn with the teacher's images in the place of real ones."""
    if "real" in turn.differentiated:
        names = ", ".join(term.name for term in turn.objective if term.differentiates == "real")
        raise ValueError(f"distillation.adversarial: teacher has no real images, of which {names} takes the gradient")
    inputs = TeacherAsReal(teacher, match.discriminator_input or images_only)
    taught = replace(match, discriminator_input=inputs)
    return replace(turn, objective=tuple(replace(t, match=taught) if t.match == match else t for t in turn.objective))


def teachers_of(turns: Sequence[Turn]) -> list[Teacher]:
    """The teacher of a game's turns, or none."""
    found: dict[int, Teacher] = {}
    for turn in turns:
        for term in turn.objective:
            held: list[Any] = [getattr(term, "teacher", None), getattr(term.match.discriminator_input, "teacher", None)]
            found |= {id(one): one for one in held if isinstance(one, Teacher)}
    return list(found.values())
