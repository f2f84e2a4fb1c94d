"""The kinds of games that exist: every guarantee is tested on each of them, since none may depend on what is trained.

Names are those of the tiny kinds below, and of every system in the folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.small_systems import pixels_of_inputs, small, spec
from helpers.tiny_game import TinyDiscriminator, TinyGenerator, tiny_game
from papergan import systems
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.preparation import resized
from papergan.game.ema import EMA
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.priors import Gaussian, Uniform
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Term
from papergan.objectives.adversarial import Hinge, Wasserstein
from papergan.objectives.feature_matching import FeatureMatching


class Proportional:
    """BEGAN's controller: k <- clip(k + rate (gamma L(x) - L(G(z))), 0, 1) after the generator's move, on the device.

    Berthelot et al. 2017 (arXiv:1703.10717), eq. 5; L is the softplus of a score here.
    """

    def __init__(self, gamma: float = 0.5, rate: float = 0.05) -> None:
        self.gamma, self.rate, self.k = gamma, rate, torch.tensor(0.1)

    def __call__(self, progress: Progress) -> float:
        return float(self.k)

    def observe(self, player: str, context: StepContext) -> None:
        if player == "generator":
            with torch.no_grad():
                real, fake = (_reconstruction(scores).mean() for scores in _scores(context))
                self.k = (self.k + self.rate * (self.gamma * real - fake)).clamp(0, 1)

    def report(self) -> dict[str, Tensor]:
        return {"k": self.k}

    def state_dict(self) -> dict[str, Tensor]:
        return {"k": self.k.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.k = state["k"].clone()


@dataclass(frozen=True)
class Reconstruction(Term):
    """L of the real or of the generated images."""

    side: str = "real"

    def __call__(self, context: StepContext) -> Tensor:
        real, fake = _scores(context)
        return _reconstruction(real if self.side == "real" else fake).mean()


def _reconstruction(scores: Tensor) -> Tensor:
    return nn.functional.softplus(-scores)


def _scores(context: StepContext) -> tuple[Tensor, Tensor]:
    return context.discriminated_real(Match()).score, context.discriminated_fake(Match()).score


def adam(weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=0.01, betas=(0.5, 0.9))


def two_player() -> Game:
    return tiny_game(generator_optimiser=adam, generator_terms=[FeatureMatching(weight=0.5)])


def with_controller() -> Game:
    """As BEGAN plays: the discriminator's fake term is weighted by a number that watches the game."""
    torch.manual_seed(8)
    controller = Proportional()
    return Game(
        networks=nn.ModuleDict(
            {"prior": Uniform(5), "generator": TinyGenerator(), "discriminator": TinyDiscriminator()}
        ),
        players={
            "discriminator": Player(("discriminator",), adam),
            "generator": Player(
                ("generator", "prior"), adam, learning_rate=lambda progress: 0.9**progress.epoch * 0.01
            ),
        },
        turns=[
            Turn(
                "discriminator",
                (Reconstruction(), Reconstruction(side="fake", weight=lambda progress: -controller(progress))),
            ),
            Turn("generator", (Reconstruction(side="fake"),)),
        ],
        controllers={"k": controller},
        average=EMA(0.9),
    )


def several_players() -> Game:
    """Two generators against two critics, each with an optimiser of its own; one of the critics moves twice."""
    torch.manual_seed(9)
    first, second = Match("g1", "d1"), Match("g2", "d2")
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": Gaussian(5), "g1": TinyGenerator(), "g2": TinyGenerator(),
                "d1": TinyDiscriminator(), "d2": TinyDiscriminator(),
            }
        ),
        players={name: Player((name,), adam) for name in ("g1", "g2", "d1", "d2")},
        turns=[
            Turn("d1", (DiscriminatorLoss(Wasserstein(), match=first),), repeats=2),
            Turn("d2", (DiscriminatorLoss(Hinge(), match=second),), when=lambda progress: progress.step % 2 == 0),
            Turn("g1", (GeneratorLoss(Wasserstein(), match=first),)),
            Turn("g2", (GeneratorLoss(Hinge(), match=second), FeatureMatching(match=second)), fakes_per_real=2),
        ],
        showcase=first,
        average=EMA(0.8),
    )  # fmt: skip


TINY = {"two_player": two_player, "with_controller": with_controller, "several_players": several_players}
SYSTEMS = systems.names()


def build(kind: str) -> Game:
    """A new game of this kind, the same at every call."""
    if kind in TINY:
        return TINY[kind]()
    return systems.build(kind, spec(kind, size=16), small(kind), seed=0)


def inputs(kind: str, count: int) -> Tensor | None:
    """Inputs of these images for a system that translates, uint8; None for any other."""
    return None if kind in TINY else pixels_of_inputs(spec(kind, size=16), count)


def images(kind: str) -> Tensor:
    """Real images for it, uint8."""
    if kind in TINY:
        return torch.randint(0, 256, (60, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return resized(synthetic_shapes("train", 64), 16).images
