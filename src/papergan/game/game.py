"""The data classes of a game: matches, players, turns, and the game that holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from papergan.game.ema import EMA
from papergan.game.following import begin_at_weights, following_in
from papergan.game.memory_format import to_channels_last
from papergan.game.optimisers import follow_weights, load_state, scheduled_numbers
from papergan.game.sampler import Sampler
from papergan.game.schedules import Controller, Progress, Schedule
from papergan.game.state_check import check_fit, check_optimiser
from papergan.game.term_names import term_names
from papergan.game.updates import Updates, check_simultaneous

if TYPE_CHECKING:
    from papergan.game.discriminator_input import DiscriminatorInput, RealSource
    from papergan.game.terms import Term

Augmentation = Callable[[Tensor], Tensor]
Side = Literal["real", "fake"]


class DiscriminatorOutput(NamedTuple):
    """The output of a discriminator.

    score: [B], or [B, K] for a distributional one; a logit, higher = more real. features: activations, shallow to deep.
    extras: scalars computed on the way (a KL divergence, a mixing distance).
    """

    score: Tensor
    features: tuple[Tensor, ...] = ()
    extras: Mapping[str, Tensor] = {}


class EncoderOutput(NamedTuple):
    """The output of an encoder: of `encode` of the network `Game.encoder`.

    features: [B, F], for nearest-neighbour search. latent: the generator's only argument, [B, Z], if the network
    inverts the generator. logits: [B, K] of a categorical code, if there is one.
    """

    features: Tensor
    latent: Tensor | None = None
    logits: Tensor | None = None


@dataclass(frozen=True)
class Match:
    """A pairing of a generator and a discriminator, with the generator's source, the real data and the input.

    source: a network that is a prior, or a key of the batch (another domain's images). real: a key of the batch.
    discriminator_input: the discriminator's input; None for the augmented images.
    """

    generator: str = "generator"
    discriminator: str = "discriminator"
    source: str = "prior"
    real: str = "image"
    discriminator_input: DiscriminatorInput | None = None


@dataclass(frozen=True)
class Player:
    """Networks with one optimiser, its schedules, and the constraints applied after each step.

    networks: names, or paths of submodules, "generator.decoder". schedules: of other hyperparameters of the optimiser,
    by name in torch's parameter groups ("momentum", "weight_decay"), and for Adam's betas by "beta1" and "beta2".
    max_gradient_norm: gradients with a larger joint norm are scaled down to it; None = never.
    """

    networks: tuple[str, ...]
    optimiser: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    learning_rate: Schedule | None = None
    constraints: tuple[Callable[[nn.Module], None], ...] = ()
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    max_gradient_norm: float | None = None


def always(progress: Progress) -> bool:
    """The default of `Turn.when`: the turn is active in every training step."""
    return True


@dataclass(frozen=True)
class Turn:
    """An optimiser step of one player on the sum of these terms.

    repeats: optimiser steps per training step; the r-th repeat of every turn sees the step's r-th real batch, so a
    training step draws as many batches as its most repeated turn takes (n_critic), and epochs are counted by these.
    fakes_per_real: generated images per real image of the batch. when: in which training steps the turn is active; a
    player may have several turns (lazy regularisation).
    """

    player: str
    objective: tuple[Term, ...]
    repeats: int = 1
    fakes_per_real: int = 1
    when: Callable[[Progress], bool] = always

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.fakes_per_real < 1 or not self.objective:
            raise ValueError(f"a turn of {self.player!r} needs a term, and repeats and fakes_per_real of at least 1")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Unique names of the terms in reports, "player.term"."""
        return term_names(self.player, self.objective)

    @cached_property
    def guarded(self) -> tuple[str, ...]:
        """Names of the values that `NonFiniteGuard` checks: the terms, and the joint norm of all gradients."""
        return (*self.names, f"{self.player}.gradient_norm")

    @cached_property
    def differentiated(self) -> frozenset[Side]:
        """The images with respect to which a term takes gradients; their discriminator's pass has no autocast."""
        return frozenset(term.differentiates for term in self.objective if term.differentiates)


@dataclass
class Game:
    """A GAN: networks by name, the players that train them, their turns in order, and the generator that is exported.

    augment: applied to every discriminator's images, real and fake alike. showcase: the match whose generator and
    source are exported. average: the exponential moving average of the exported networks, or None. encoder: the network
    that encodes real images, by a method `encode`: images [B, C, S, S] -> EncoderOutput; or None. start_from: sets
    initial weights that depend on the training images, uint8 [N, C, S, S]; None if none do.
    reals: replaces the showcase's real images of the batch for all terms; None = the batch's. updates: `Updates`.
    Raises ValueError if a player, a turn or the showcase names something that does not exist.
    """

    networks: nn.ModuleDict
    players: Mapping[str, Player]
    turns: Sequence[Turn]
    controllers: Mapping[str, Controller] = field(default_factory=dict)
    augment: Augmentation | None = None
    showcase: Match = field(default_factory=Match)
    average: EMA | None = None
    encoder: str | None = None
    start_from: Callable[[Tensor], None] | None = None
    reals: RealSource | None = None
    updates: Updates = "alternating"

    def __post_init__(self) -> None:
        parts = dict(self.networks.named_modules())
        for name, player in self.players.items():
            _known(f"player {name!r} trains", player.networks, parts, self.networks)
        _known("turns are taken by", [turn.player for turn in self.turns], self.players)
        _known("what is exported comes from", [self.showcase.generator, self.showcase.source], self.networks)
        _known("images are encoded by", [self.encoder] if self.encoder else [], self.networks)
        self.networks.requires_grad_(False)
        self.optimisers = {
            name: player.optimiser([weight for n in player.networks for weight in parts[n].parameters()])
            for name, player in self.players.items()
        }
        if self.updates == "simultaneous":
            check_simultaneous(self.turns, {name: self._weights(name) for name in self.players})
        for name, player in self.players.items():
            numbers = scheduled_numbers(self.optimisers[name])
            _known(f"player {name!r} has schedules of", player.schedules, numbers)
        self._following = following_in(self.networks)
        begin_at_weights(self.controllers)
        if self.average is not None:
            self.average.follow(self.sampler(averaged=False))

    def set_progress(self, progress: Progress) -> tuple[float, ...]:
        """Update the networks that follow the progress, before a training step; see `FollowsProgress`."""
        averaged = following_in(self.average.sampler) if self._following and self.average else []
        return tuple(one.set_progress(progress) for one in (*self._following, *averaged))

    def progress_report(self) -> dict[str, float]:
        """The state of the networks that follow the progress, "networks.level"; does not read the device."""
        return {f"networks.{name}": number for one in self._following for name, number in one.report().items()}

    @property
    def batches_per_step(self) -> int:
        return max(turn.repeats for turn in self.turns)

    @property
    def images_per_score(self) -> int:
        """The number that batch sizes must be a multiple of: how many images share one discriminator score."""
        matches = [self.showcase, *(term.match for turn in self.turns for term in turn.objective)]
        return math.lcm(*(one.discriminator_input.images_per_score for one in matches if one.discriminator_input))

    @property
    def device(self) -> torch.device:
        return next(self.networks.parameters()).device

    @contextmanager
    def learning(self, player: str) -> Iterator[list[nn.Parameter]]:
        """Let this player's weights require gradients inside the block; those of others do in blocks of their own."""
        weights = self._weights(player)
        for weight in weights:
            weight.requires_grad_(True)
        try:
            yield weights
        finally:
            for weight in weights:
                weight.requires_grad_(False)

    def _weights(self, player: str) -> list[nn.Parameter]:
        return [weight for group in self.optimisers[player].param_groups for weight in group["params"]]

    def sampler(self, *, averaged: bool = True) -> Sampler:
        """The prior and the generator of the showcase; their average if the game keeps one."""
        if averaged and self.average is not None:
            return self.average.sampler
        return Sampler(self.networks[self.showcase.source], self.networks[self.showcase.generator])

    def to(self, device: torch.device | str) -> Game:
        """Move everything to a device, 2-D convolutions in channels-last memory; call it before the first step."""
        modules = [self.networks, *(one for one in self.controllers.values() if isinstance(one, nn.Module))]
        for module in [*modules, *([] if self.average is None else [self.average.sampler])]:
            to_channels_last(module, device)
        for optimiser in self.optimisers.values():
            follow_weights(optimiser)
        return self

    def state_dict(self) -> dict[str, Any]:
        """The whole state for resuming: weights, optimisers, controllers, average."""
        return {
            "networks": self.networks.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "controllers": {name: controller.state_dict() for name, controller in self.controllers.items()},
            "average": self.average.state_dict() if self.average is not None else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of a game that was built in the same way.

        Raises ValueError naming missing or unexpected entries, or those of another shape, before changing anything.
        """
        check_fit("networks", self.networks.state_dict(), state["networks"])
        check_fit("average", self.average.state_dict() if self.average else {}, state["average"])
        check_fit("optimisers", self.optimisers, state["optimisers"])
        check_fit("controllers", self.controllers, state["controllers"])
        for name, optimiser in self.optimisers.items():
            check_optimiser(f"optimiser of {name}", optimiser, state["optimisers"][name])
        self.networks.load_state_dict(state["networks"], strict=True)
        for name, optimiser in self.optimisers.items():
            load_state(optimiser, state["optimisers"][name])
        for name, controller in self.controllers.items():
            controller.load_state_dict(state["controllers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])


def _known(what: str, names: Iterable[str], known: Iterable[str], shown: Iterable[str] | None = None) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{what} {', '.join(map(repr, unknown))}; there are {', '.join(sorted(shown or known))}")
