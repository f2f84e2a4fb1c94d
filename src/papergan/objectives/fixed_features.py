"""A distance between features of a frozen network, which a game is given after it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from papergan.game.game import Game
from papergan.game.step_context import StepContext
from papergan.game.terms import Term
from papergan.objectives.distillation import teacher_of

Maps = tuple[Tensor, ...]


class FixedFeatures:
    """Feature maps of images by a frozen network of this kind, float [B, C, S, S] in [-1, 1] -> maps [B, K, H, W].

    Not a module: the network belongs to no checkpoint, model folder or player. It is built from files or data that a
    system's settings do not hold, so `use` gives it to a game that trains; a game that only samples needs none.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._network: Callable[[Tensor], Maps] | None = None

    def use(self, network: Callable[[Tensor], Maps]) -> None:
        """Use the maps of this network from now on; it is frozen, in evaluation mode, on the game's device."""
        self._network = network

    def __call__(self, images: Tensor) -> Maps:
        """The maps of these images. Raises ValueError if no network has been given."""
        if self._network is None:
            raise ValueError(f"the network of the fixed features {self.kind!r} was not given")
        return self._network(images)


@dataclass(frozen=True)
class FixedFeatureDistance(Term):
    """sum over maps of mean over positions of sum_k (f_k(G(x)) - f_k(y))^2, y the image paired with the input x.

    Source: Ledig et al. 2017 (arXiv:1609.04802), eq. 5, there for one map of VGG19. The side of y is a constant.
    """

    features: FixedFeatures

    def __call__(self, context: StepContext) -> Tensor:
        fake = self.features(context.fake(self.match))
        real = self.features(context.batch[self.match.real])
        parts = [(made.float() - given.float()).square().sum(1).mean() for made, given in zip(fake, real, strict=True)]
        return sum(parts[1:], parts[0])


def fixed_features(game: Game) -> list[FixedFeatures]:
    """All fixed features that the terms of a game need, in order."""
    terms = (term for turn in game.turns for term in turn.objective)
    return [term.features for term in terms if isinstance(term, FixedFeatureDistance)]


def with_stand_ins(game: Game) -> Game:
    """The game with pixels as fixed features, and its own generator as a teacher, to try and time its steps."""
    for features in fixed_features(game):
        features.use(lambda images: (images,))
    if teacher := teacher_of(game):
        teacher.use(game.networks[game.showcase.generator])
    return game
