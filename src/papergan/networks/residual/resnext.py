"""Residual networks without normalisation: grouped convolutions, biased activations, interpolating resampling.

Source: Huang et al. 2024 (R3GAN), arXiv:2501.05441, section 4 and its code. Initialisation follows Zhang et al. 2019
(Fixup), arXiv:1901.09321: the last convolution of every block is zero, the others shrink with the number of blocks.
Between stages of different widths there is a 1x1 convolution, on the lower-resolution side of the resampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.convolution import TwiceDifferentiableConv2d
from papergan.networks.layers.resampling import Resample

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
EXPANSION = 2  # channels inside a block per channel outside
LAYERS = 3  # convolutions of a block
GROUP = 8  # channels outside a block for each group inside it
SMALLEST = 4  # side of the first feature maps, in pixels


class BiasedActivation(nn.Module):
    """leaky_relu(x + bias), with one bias per channel of [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return leaky_relu(maps + self.bias.to(maps.dtype)[:, None, None], SLOPE)


class Block(nn.Module):
    """x + conv1x1(act(grouped conv3x3(act(conv1x1(x))))), twice as wide inside; the identity at initialisation."""

    def __init__(self, width: int, blocks: int, *, penalised: bool = False) -> None:
        """blocks: number in the whole network. penalised: under a gradient penalty, so differentiated twice."""
        super().__init__()
        convolution = TwiceDifferentiableConv2d if penalised else nn.Conv2d
        inner, gain = EXPANSION * width, GAIN * blocks ** (-1 / (2 * LAYERS - 2))
        self.expand = initialised(convolution(width, inner, 1, bias=False), gain)
        self.grouped = initialised(convolution(inner, inner, 3, padding=1, groups=width // GROUP, bias=False), gain)
        self.contract = initialised(convolution(inner, width, 1, bias=False), 0.0)
        self.first, self.second = BiasedActivation(inner), BiasedActivation(inner)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.grouped(self.first(self.expand(maps)))
        after: Tensor = self.contract(self.second(inner))
        return maps + after


class ResNeXtGenerator(nn.Module):
    """Latents [B, latent_dim], and one-hot classes [B, K] if there are any, to images [B, C, S, S], unbounded.

    S = 4 * 2^k. width: channels of all stages, or of each stage from 4x4 on; multiples of 8. blocks: per stage.
    """

    def __init__(
        self, images: ImageSpec, latent_dim: int, width: int | Sequence[int], blocks: int, *, classes: int = 0
    ) -> None:
        super().__init__()
        widths = stage_widths(images, width)
        self.embedding = initialised(nn.Linear(classes, latent_dim, bias=False)) if classes else None
        inputs = latent_dim * (2 if classes else 1)
        self.basis = nn.Parameter(torch.randn(widths[0], SMALLEST, SMALLEST))
        self.linear = initialised(nn.Linear(inputs, widths[0], bias=False))
        layers: list[nn.Module] = []
        for before, own in pairwise([widths[0], *widths]):
            layers += changed_width(before, own) + ([Resample(up=True)] if layers else [])
            layers += [Block(own, len(widths) * blocks) for _ in range(blocks)]
        self.stages = nn.Sequential(*layers)
        self.to_image = initialised(nn.Conv2d(widths[-1], images.channels, 1, bias=False))

    def forward(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            latent = torch.cat([latent, self.embedding(classes)], dim=1)
        maps = self.basis * self.linear(latent)[:, :, None, None]
        image: Tensor = self.to_image(self.stages(maps))
        return image


class ResNeXtDiscriminator(nn.Module):
    """Images [B, C, S, S], and one-hot classes [B, K] if there are any, to logits [B].

    With classes the score is the inner product of the features with the embedding of the class. width: channels of
    all stages, or of each stage from 4x4 on, as in the generator. blocks: per stage.
    """

    def __init__(self, images: ImageSpec, width: int | Sequence[int], blocks: int, *, classes: int = 0) -> None:
        super().__init__()
        widths = stage_widths(images, width)
        last = widths[0]
        self.from_image = initialised(nn.Conv2d(images.channels, widths[-1], 1, bias=False))
        layers: list[nn.Module] = []
        for before, own in pairwise([widths[-1], *reversed(widths)]):
            layers += ([Resample(up=False)] if layers else []) + changed_width(before, own, penalised=True)
            layers += [Block(own, len(widths) * blocks, penalised=True) for _ in range(blocks)]
        self.stages = nn.Sequential(*layers)
        self.basis = initialised(nn.Conv2d(last, last, SMALLEST, groups=last, bias=False))
        self.linear = initialised(nn.Linear(last, last if classes else 1, bias=False))
        self.embedding = initialised(nn.Linear(classes, last, bias=False), 1 / math.sqrt(last)) if classes else None

    def forward(self, images: Tensor, classes: Tensor | None = None) -> DiscriminatorOutput:
        maps = self.stages(self.from_image(images))
        features: Tensor = self.linear(self.basis(maps).flatten(1))
        if self.embedding is not None:
            features = (features * self.embedding(classes)).sum(dim=1, keepdim=True)
        return DiscriminatorOutput(features.squeeze(1), (maps,))


def changed_width(before: int, own: int, *, penalised: bool = False) -> list[nn.Module]:
    """A 1x1 convolution from `before` channels to `own`; nothing if the numbers are equal."""
    convolution = TwiceDifferentiableConv2d if penalised else nn.Conv2d
    return [initialised(convolution(before, own, 1, bias=False))] if own != before else []


def stage_widths(images: ImageSpec, width: int | Sequence[int]) -> list[int]:
    """The channels of each stage, from 4x4 to the size of the images: one number for all, or one for each.

    Raises ValueError if the size is not a power of two, at least 4, or the numbers are not as many as the stages.
    """
    stages = int(math.log2(max(1, images.size // SMALLEST))) + 1
    if images.size != SMALLEST * 2 ** (stages - 1):
        raise ValueError(f"these networks double 4x4 maps: the size must be 4 times a power of two, got {images.size}")
    widths = [width] * stages if isinstance(width, int) else list(width)
    if len(widths) != stages:
        raise ValueError(
            f"stage_widths has {len(widths)} numbers, where images of {images.size} pixels have {stages} stages, "
            "from 4x4 on: give as many, or width alone"
        )
    return widths


@torch.no_grad()
def initialised(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """Initialise a layer with weights from N(0, gain^2 / fan-in); He et al. 2015, arXiv:1502.01852."""
    layer.weight.normal_(0.0, gain / math.sqrt(layer.weight[0].numel())) if gain else layer.weight.zero_()
    return layer
