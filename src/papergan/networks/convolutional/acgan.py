"""The networks of AC-GAN on CIFAR-10: a class-conditional generator, and a discriminator that classifies."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.blocks import maybe, normal_initialisation, smallest
from papergan.networks.layers.drawing import Dropout, GaussianNoise


class ACGANGenerator(nn.Module):
    """Latent [B, latent_dim] and one-hot classes [B, K] -> images [B, C, S, S] in [-1, 1].

    Both are concatenated; linear to 4 * width maps of side S/8, ReLU; three transposed convolutions k5 s2, to
    2 * width, width and C maps, BatchNorm and ReLU after the first two, tanh at the end.
    Source: Odena et al. 2017 (arXiv:1610.09585), the appendix's table for CIFAR-10, width 96.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 96) -> None:
        super().__init__()
        side = smallest(images, 3)
        self.first = nn.Sequential(
            nn.Linear(latent_dim + images.num_classes, 4 * width * side**2),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (4 * width, side, side)),
        )
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([4 * width, 2 * width, width]):
            layers += [_doubling(inputs, outputs, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, _doubling(width, images.channels, bias=True), nn.Tanh())
        normal_initialisation(self)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        images: Tensor = self.layers(self.first(torch.cat([latent, classes], dim=1)))
        return images


class ACGANDiscriminator(nn.Module):
    """Images [B, C, S, S] -> logits [B]; the last features are the logits of the class, [B, K].

    Six convolutions k3 of strides 2, 1, 2, 1, 2, 1 to width, 2 * width, ... 32 * width maps, each with BatchNorm
    (except the first), LeakyReLU(0.2) and dropout; one linear layer to all logits. noise: standard deviation of the
    noise added to the images. Source: as `ACGANGenerator`, width 16.
    """

    def __init__(self, images: ImageSpec, width: int = 16, *, dropout: float = 0.5, noise: float = 0.1) -> None:
        super().__init__()
        maps = [images.channels, *(width * 2**place for place in range(6))]
        layers: list[nn.Module] = [*maybe(noise > 0, lambda: GaussianNoise(noise))]
        for place, (inputs, outputs) in enumerate(pairwise(maps)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2 - place % 2, padding=1, bias=place == 0),
                *([nn.BatchNorm2d(outputs)] if place else []),
                nn.LeakyReLU(0.2, inplace=True),
                *maybe(dropout > 0, lambda: Dropout(dropout)),
            ]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.linear = nn.Linear(maps[-1] * smallest(images, 3) ** 2, 1 + images.num_classes)
        normal_initialisation(self)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.trunk(images)
        logits = self.linear(features)
        return DiscriminatorOutput(logits[:, 0], (features, logits[:, 1:]))


def _doubling(inputs: int, outputs: int, *, bias: bool) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1, bias=bias)
