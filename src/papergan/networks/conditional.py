"""Class-conditional networks of DCGAN."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.blocks import eighth, normal_initialisation


def with_class(maps: Tensor, classes: Tensor) -> Tensor:
    """[B, C, H, W] and one-hot [B, K] -> [B, C + K, H, W]: each class is a constant map."""
    constant = classes[:, :, None, None].to(maps.dtype).expand(-1, -1, *maps.shape[2:])
    return torch.cat([maps, constant], dim=1)


class LabelledGenerator(nn.Module):
    """Latent [B, latent_dim] and one-hot classes [B, K] -> images [B, C, S, S] in [-1, 1].

    As DCGANGenerator of three stages, the class before every layer. Source: Radford et al. 2015 (arXiv:1511.06434) for
    the layers; the class as in Mirza and Osindero 2014 (arXiv:1411.1784), in every layer.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, width: int = 64) -> None:
        super().__init__()
        classes, channels = images.num_classes, [4 * width, 2 * width, width]
        self.first = nn.ConvTranspose2d(latent_dim + classes, channels[0], eighth(images), bias=False)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(inputs + classes, outputs, 4, stride=2, padding=1, bias=False)
            for inputs, outputs in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(maps) for maps in channels)
        self.last = nn.ConvTranspose2d(width + classes, images.channels, 4, stride=2, padding=1)
        normal_initialisation(self)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        maps = self.norms[0](self.first(with_class(latent[:, :, None, None], classes))).relu()
        for layer, norm in zip(self.up, list(self.norms)[1:], strict=True):
            maps = norm(layer(with_class(maps, classes))).relu()
        return torch.tanh(self.last(with_class(maps, classes)))


class LabelledDiscriminator(nn.Module):
    """Images [B, C, S, S] and one-hot classes [B, K] -> logits [B]; the class before every convolution."""

    def __init__(self, images: ImageSpec, width: int = 64) -> None:
        super().__init__()
        classes, channels = images.num_classes, [images.channels, width, 2 * width, 4 * width]
        self.down = nn.ModuleList(
            nn.Conv2d(inputs + classes, outputs, 4, stride=2, padding=1) for inputs, outputs in pairwise(channels)
        )
        self.norms = nn.ModuleList([nn.Identity(), *(nn.BatchNorm2d(maps) for maps in channels[2:])])
        self.linear = nn.Linear(4 * width * eighth(images) ** 2, 1)
        normal_initialisation(self)

    def forward(self, images: Tensor, classes: Tensor) -> DiscriminatorOutput:
        maps = images
        for layer, norm in zip(self.down, self.norms, strict=True):
            maps = nn.functional.leaky_relu(norm(layer(with_class(maps, classes))), 0.2)
        score: Tensor = self.linear(maps.flatten(1))
        return DiscriminatorOutput(score.squeeze(1), (maps,))
