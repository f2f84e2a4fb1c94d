"""The standard GAN: one generator, one discriminator, one loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from torch import nn

from papergan.game.ema import EMA
from papergan.game.game import Augmentation, Game, Match, Player, Turn
from papergan.game.optimisers import Optimiser
from papergan.game.schedules import Controller, Schedule
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Loss, Term


def two_player(
    *,
    generator: nn.Module,
    discriminator: nn.Module,
    prior: nn.Module,
    loss: Loss,
    generator_optimiser: Optimiser,
    discriminator_optimiser: Optimiser,
    generator_learning_rate: Schedule | None = None,
    discriminator_learning_rate: Schedule | None = None,
    generator_terms: Sequence[Term] = (),
    discriminator_terms: Sequence[Term] = (),
    discriminator_constraints: tuple[Callable[[nn.Module], None], ...] = (),
    lazy_turns: Sequence[Turn] = (),
    discriminator_steps: int = 1,
    generator_steps: int = 1,
    fakes_per_real: int = 1,
    augment: Augmentation | None = None,
    average: EMA | None = None,
    controllers: Mapping[str, Controller] = MappingProxyType({}),
    match: Match | None = None,
    encoder: str | None = None,
) -> Game:
    """Build a game of `discriminator_steps` discriminator steps, its lazy turns, then `generator_steps`.

    *_terms: what each player minimises besides the loss. *_learning_rate: a schedule instead of the optimiser's rate.
    discriminator_constraints: applied to its weights after each of its steps.
    fakes_per_real: generated images per real one in the generator's turn. A prior's weights train with the generator.
    match: used for the loss and the export; terms have their own. encoder: see `Game`.
    """
    match = match or Match()
    discriminator_loss, generator_loss = DiscriminatorLoss(loss, match=match), GeneratorLoss(loss, match=match)
    return Game(
        networks=nn.ModuleDict({"prior": prior, "generator": generator, "discriminator": discriminator}),
        players={
            "discriminator": Player(
                ("discriminator",), discriminator_optimiser, discriminator_learning_rate, discriminator_constraints
            ),
            "generator": Player(("generator", "prior"), generator_optimiser, generator_learning_rate),
        },
        turns=(
            Turn("discriminator", (discriminator_loss, *discriminator_terms), repeats=discriminator_steps),
            *lazy_turns,
            Turn(
                "generator",
                (generator_loss, *generator_terms),
                repeats=generator_steps,
                fakes_per_real=fakes_per_real,
            ),
        ),
        augment=augment,
        average=average,
        controllers=controllers,
        showcase=match,
        encoder=encoder,
    )
