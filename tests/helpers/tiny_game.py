"""A game small enough to check by hand: one-pixel-wide networks on 4x4 images."""

from __future__ import annotations

import torch
from torch import nn

from papergan.game.ema import EMA
from papergan.game.game import DiscriminatorOutput, Game
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.objectives.adversarial import Wasserstein


class TinyGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(5, 16), nn.BatchNorm1d(16)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.norm(self.linear(latent))).view(-1, 1, 4, 4)


class TinyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 6), nn.Linear(6, 1)
        self.calls = 0

    def forward(self, images: torch.Tensor) -> DiscriminatorOutput:
        self.calls += 1
        features = torch.tanh(self.first(images.flatten(1)))
        return DiscriminatorOutput(self.second(features).squeeze(1), (features,))


def sgd(weights):
    return torch.optim.SGD(weights, lr=0.1)


def tiny_game(**changes) -> Game:
    torch.manual_seed(7)
    settings = {
        "generator": TinyGenerator(),
        "discriminator": TinyDiscriminator(),
        "prior": Gaussian(5),
        "loss": Wasserstein(),
        "generator_optimiser": sgd,
        "discriminator_optimiser": sgd,
        "average": EMA(0.9),
    }
    return two_player(**(settings | changes))


def real_batch(count: int = 8, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"image": torch.rand(count, 1, 4, 4, generator=generator) * 2 - 1}
