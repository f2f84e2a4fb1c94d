"""Historical averaging: the squared distance of the weights from their mean over training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.game.following import BeginsAtWeights
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


class HistoricalAverage(nn.Module, BeginsAtWeights):
    """The mean of a player's weights over all its steps, kept on the device; a controller of the game.

    mean_{t+1} = mean_t + (theta_{t+1} - mean_t) / (t + 1), taken after each of the player's steps.
    """

    on_device = True
    moves: Tensor

    def __init__(self, player: str, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.player, self._networks = player, tuple(networks)  # a tuple, so that they are not submodules of this
        self.begin()

    def begin(self) -> None:
        """Begin at the present weights: new means, and no moves."""
        for name in list(self._buffers):
            delattr(self, name)
        self.register_buffer("moves", torch.zeros((), device=self.weights[0].device))
        for place, weight in enumerate(self.weights):
            self.register_buffer(f"mean_{place}", weight.detach().clone())

    @property
    def weights(self) -> list[nn.Parameter]:
        """The current weights of the player."""
        return [weight for network in self._networks for weight in network.parameters()]

    @property
    def means(self) -> list[Tensor]:
        """The mean of each weight, in the order of the weights."""
        return [getattr(self, f"mean_{place}") for place in range(len(self.weights))]

    def forward(self, progress: Progress) -> float:
        """Raises TypeError: it has no value of its own."""
        raise TypeError("a historical average is not a schedule")

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Add the player's weights to the mean, after its step."""
        if player == self.player:
            self.moves += 1
            for mean, weight in zip(self.means, self.weights, strict=True):
                mean.add_((weight - mean) / (self.moves + 1))  # the initial weights count as well

    def distance(self) -> Tensor:
        """The sum of (theta - mean)^2, a scalar with the gradient for the weights."""
        squares = [(weight - mean).square().sum() for weight, mean in zip(self.weights, self.means, strict=True)]
        return torch.stack(squares).sum().float()

    def report(self) -> dict[str, Tensor]:
        """Empty: its term is reported like every other term."""
        return {}


@dataclass(frozen=True)
class HistoricalAveraging(Term):
    """||theta - 1/t sum_i theta_i||^2 over a player's weights. Salimans et al. 2016, arXiv:1606.03498, section 3.3."""

    average: HistoricalAverage

    def __call__(self, context: StepContext) -> Tensor:
        return self.average.distance()
