"""A generator and a discriminator that grow from small to large images (Karras et al. 2018, arXiv:1710.10196)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.equalised import (
    GAIN,
    SLOPE,
    EqualisedConv2d,
    EqualisedLinear,
    MinibatchDeviation,
    PixelNorm,
)
from papergan.networks.style_based.growth import SMALLEST, Growing, Growth, fade, pooled, upsampled


def feature_maps(base: int, most: int, last: int) -> list[int]:
    """Numbers of feature maps of stages 0 to last + 1, min(base / 2^stage, most); level n has those of stage n + 1.

    Source: the authors' code, `nf` with fmap_decay 1. Raises ValueError if a stage would have none.
    """
    if base >> (last + 1) < 1:
        raise ValueError(f"a base_width of {base} leaves no feature maps at the full size; take {2 << last} or more")
    return [min(base >> stage, most) for stage in range(last + 2)]


class _Activation(nn.Module):
    """LeakyReLU(0.2), then pixel normalisation if `normalise`."""

    def __init__(self, *, normalise: bool) -> None:
        super().__init__()
        self.norm = PixelNorm() if normalise else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(leaky_relu(x, SLOPE))
        return out


def _convolutions(inputs: int, between: int, outputs: int, *, normalise: bool) -> nn.Sequential:
    """Two convolutions k3, each with its activation."""
    return nn.Sequential(
        EqualisedConv2d(inputs, between, 3, gain=GAIN), _Activation(normalise=normalise),
        EqualisedConv2d(between, outputs, 3, gain=GAIN), _Activation(normalise=normalise),
    )  # fmt: skip


class _FirstImages(nn.Module):
    """Latents [B, Z], normalised, to maps [B, width, 4, 4]: a convolution k4 on one pixel, then one k3."""

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        self.width, self.norm, self.activation = width, PixelNorm(), _Activation(normalise=True)
        # the authors' gain, which counts 16 inputs per latent, those of the convolution k4
        self.linear = EqualisedLinear(latent_dim, width * SMALLEST**2, bias=False, gain=GAIN / SMALLEST)
        self.bias = nn.Parameter(torch.zeros(width, 1, 1))
        self.conv = EqualisedConv2d(width, width, 3, gain=GAIN)

    def forward(self, latent: Tensor) -> Tensor:
        x = self.linear(self.norm(latent)).view(-1, self.width, SMALLEST, SMALLEST)
        out: Tensor = self.activation(self.conv(self.activation(x + self.bias)))
        return out


class ProgressiveGenerator(Growing):
    """Latents [B, Z], on the hypersphere after pixel normalisation, to images [B, C, S, S], unbounded.

    base_width, max_width: see `feature_maps`. In a fade, images of the new layers are blended with the upsampled ones
    of the old. Source: Karras et al. 2018 (arXiv:1710.10196), section 2, table 2 and the authors' code, `G_paper`.
    """

    def __init__(self, images: ImageSpec, latent_dim: int, growth: Growth, base_width: int, max_width: int) -> None:
        super().__init__(growth)
        _, *widths = feature_maps(base_width, max_width, growth.last)
        self.first = _FirstImages(latent_dim, widths[0])
        self.blocks = nn.ModuleList(
            _convolutions(below, width, width, normalise=True) for below, width in pairwise(widths)
        )
        self.to_images = nn.ModuleList(EqualisedConv2d(width, images.channels, 1) for width in widths)

    def forward(self, latent: Tensor) -> Tensor:
        below = x = self.first(latent)
        for block in self.blocks[: self.stage]:
            below, x = x, block(upsampled(x, 2))
        images: Tensor = self.to_images[self.stage](x)
        if self.alpha < 1:
            images = fade(upsampled(self.to_images[self.stage - 1](below), 2), images, self.alpha)
        return upsampled(images, self.factor)


class ProgressiveDiscriminator(Growing):
    """Images [B, C, S, S], averaged to the resolution of the level, to scores; mirrors the generator.

    Before the last layers, the mini-batch deviation over the whole batch is appended as a map. In a fade, maps of the
    new layers are blended with those of the old layers for the images at half the resolution. Source: as for the
    generator, `D_paper` in the code.
    """

    def __init__(self, images: ImageSpec, growth: Growth, base_width: int, max_width: int) -> None:
        super().__init__(growth)
        narrow, *widths = feature_maps(base_width, max_width, growth.last)
        self.from_images = nn.ModuleList(
            nn.Sequential(EqualisedConv2d(images.channels, width, 1, gain=GAIN), _Activation(normalise=False))
            for width in widths
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(_convolutions(width, width, below, normalise=False), nn.AvgPool2d(2))
            for below, width in pairwise(widths)
        )
        self.last = nn.Sequential(
            MinibatchDeviation(group=None),
            EqualisedConv2d(widths[0] + 1, widths[0], 3, gain=GAIN), _Activation(normalise=False), nn.Flatten(),
            EqualisedLinear(widths[0] * SMALLEST**2, narrow, gain=GAIN), _Activation(normalise=False),
            EqualisedLinear(narrow, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        images = pooled(images, self.factor)
        x = self.from_images[self.stage](images)
        for level in range(self.stage, 0, -1):
            x = self.blocks[level - 1](x)
            if level == self.stage and self.alpha < 1:
                x = fade(self.from_images[level - 1](pooled(images, 2)), x, self.alpha)
        return DiscriminatorOutput(self.last(x).squeeze(1))
