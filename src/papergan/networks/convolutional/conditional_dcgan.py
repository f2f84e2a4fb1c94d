"""The networks of DCGAN with the class of every image as constant maps in the input of every layer.

Mirza and Osindero 2014 (arXiv:1411.1784) in convolutional form: no paper specifies how labels enter a DCGAN.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.networks.layers.blocks import maybe, normal_initialisation, normalise_spectrally, smallest
from papergan.networks.layers.drawing import Dropout
from papergan.networks.layers.normalisation import MapNormalisation, norm_of_maps
from papergan.networks.layers.upsampling import Upsampling, upsampling

ClassMaps = Literal["none", "maps"]
"""The setting `labels` of systems on DCGAN's networks: no labels, or constant maps."""


def with_class(maps: Tensor, classes: Tensor) -> Tensor:
    """[B, C, H, W] and one-hot [B, K] -> [B, C + K, H, W]: each class is a constant map."""
    constant = classes[:, :, None, None].to(maps.dtype).expand(-1, -1, *maps.shape[2:])
    return torch.cat([maps, constant], dim=1)


class LabelledGenerator(nn.Module):
    """Latent [B, latent_dim] and one-hot classes [B, K] -> images [B, C, S, S] in [-1, 1].

    As `DCGANGenerator`, with its settings, and the class in the input of every layer.
    """

    def __init__(
        self,
        images: ImageSpec,
        latent_dim: int,
        width: int = 128,
        *,
        stages: int = 3,
        normalisation: MapNormalisation = "batch",
        up: Upsampling = "transposed",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        classes, channels = images.num_classes, [width * 2**stage for stage in reversed(range(stages))]
        bias = normalisation == "none"
        self.first = nn.ConvTranspose2d(latent_dim + classes, channels[0], smallest(images, stages), bias=bias)
        self.up = nn.ModuleList(
            upsampling(up, inputs + classes, outputs, bias=bias) for inputs, outputs in pairwise(channels)
        )
        self.after = nn.ModuleList(
            nn.Sequential(
                *norm_of_maps(normalisation, maps),
                nn.ReLU(inplace=True),
                *maybe(dropout > 0, lambda: Dropout(dropout, whole_maps=True)),
            )
            for maps in channels
        )
        self.last = upsampling(up, width + classes, images.channels, bias=True)
        normal_initialisation(self)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        maps = latent[:, :, None, None]
        for layer, after in zip([self.first, *self.up], self.after, strict=True):
            maps = after(layer(with_class(maps, classes)))
        return torch.tanh(self.last(with_class(maps, classes)))


class LabelledDiscriminator(nn.Module):
    """Images [B, C, S, S] and one-hot classes [B, K] -> logits [B]; features are the last map.

    As `DCGANDiscriminator`, with its settings, the class in the input of every convolution, and a bias in every
    convolution that is not spectrally normalised.
    """

    def __init__(
        self,
        images: ImageSpec,
        width: int = 128,
        *,
        stages: int = 3,
        normalisation: MapNormalisation = "batch",
        spectral: bool = False,
    ) -> None:
        super().__init__()
        classes, channels = images.num_classes, [images.channels, *(width * 2**stage for stage in range(stages))]
        kinds: list[MapNormalisation] = ["none", *([normalisation] * (stages - 1))]
        self.down = nn.ModuleList(
            nn.Conv2d(inputs + classes, outputs, 4, stride=2, padding=1, bias=not spectral)
            for inputs, outputs in pairwise(channels)
        )
        self.norms = nn.ModuleList(
            nn.Sequential(*norm_of_maps("none" if spectral else kind, maps))
            for kind, maps in zip(kinds, channels[1:], strict=True)
        )
        self.linear = nn.Linear(channels[-1] * smallest(images, stages) ** 2, 1, bias=not spectral)
        normal_initialisation(self)
        if spectral:
            normalise_spectrally(self)

    def forward(self, images: Tensor, classes: Tensor) -> DiscriminatorOutput:
        maps = images
        for layer, norm in zip(self.down, self.norms, strict=True):
            maps = nn.functional.leaky_relu(norm(layer(with_class(maps, classes))), 0.2)
        score: Tensor = self.linear(maps.flatten(1))
        return DiscriminatorOutput(score.squeeze(1), (maps,))


GENERATORS: dict[ClassMaps, Callable[..., nn.Module]] = {"none": DCGANGenerator, "maps": LabelledGenerator}
DISCRIMINATORS: dict[ClassMaps, Callable[..., nn.Module]] = {"none": DCGANDiscriminator, "maps": LabelledDiscriminator}
