"""The networks of StyleGAN2: modulated convolutions with demodulation, skip connections, residual discriminators.

Source: Karras et al. 2020, arXiv:1912.04958, sections 2 to 4, and the authors' code of StyleGAN2-ADA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from papergan.data.images import ImageSpec
from papergan.game.game import DiscriminatorOutput
from papergan.networks.layers.equalised import GAIN, SLOPE, EqualisedConv2d, EqualisedLinear, MinibatchDeviation
from papergan.networks.layers.modulation import Implementation, modulated_convolution
from papergan.networks.layers.resampling import Blur, Resample
from papergan.networks.layers.styles import (
    ActivatedConv2d,
    ActivatedLinear,
    Halved,
    Mapping,
    Noise,
    style_of,
)

Architecture = Literal["orig", "skip", "resnet"]
SMALLEST = 4  # side of the first feature maps, in pixels
CLASS_LAYERS = 8  # of the discriminator's mapping network for classes
HALF = math.sqrt(0.5)  # factor of either branch of a residual block


def sizes_of(images: ImageSpec) -> list[int]:
    """Sizes of feature maps, from 4 to the size of the images.

    Raises ValueError if the size is not a power of two, or below 8.
    """
    size = images.size
    if size < 2 * SMALLEST or size & (size - 1):
        raise ValueError(f"these networks double 4x4 maps: set image_size to a power of two, at least 8, got {size}")
    return [1 << power for power in range(2, size.bit_length())]


def channels_at(size: int, base_width: int, max_width: int) -> int:
    """The number of feature maps at a size: base_width / size, at most max_width, at least 1."""
    return max(1, min(base_width // size, max_width))


class StyledConv2d(nn.Module):
    """gain sqrt(2) leaky_relu(conv(x; w) + strength n + b), at twice the resolution if `up`: [B, inputs, S, S].

    The convolution's weights are modulated by A(w) and demodulated; w: [B, style_dim]. With `up`, a transposed
    convolution, then the filter [1, 3, 3, 1]. Source: Karras et al. 2020 (arXiv:1912.04958), figure 2 d.
    """

    def __init__(
        self, inputs: int, outputs: int, style_dim: int, size: int, *, up: bool = False, gain: float = 1.0,
        implementation: Implementation = "scaled",
    ) -> None:  # fmt: skip
        super().__init__()
        self.affine = EqualisedLinear(style_dim, inputs, offset=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise = Noise(size)
        self.blur = Blur(1) if up else None
        self.gain, self.implementation = gain * GAIN, implementation

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        up = self.blur is not None
        maps = modulated_convolution(
            x, self.weight, style_of(self.affine, style), up=up, gain=self.gain * (4 if up else 1),
            implementation=self.implementation,
        )  # fmt: skip
        if self.blur is not None:
            maps = self.blur(maps)
        maps = self.noise(maps, self.gain) + (self.gain * self.bias).to(maps.dtype)[:, None, None]
        return leaky_relu(maps, SLOPE)


class ToImage(nn.Module):
    """Feature maps to pixels: a 1x1 convolution with modulated weights, not demodulated, and a bias; in float32."""

    def __init__(self, inputs: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style_dim, inputs, offset=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        styles = style_of(self.affine, style) * self.scale
        return modulated_convolution(x, self.weight, styles, demodulate=False).float() + self.bias[:, None, None]


class SynthesisBlock(nn.Module):
    """The layers of one size: two convolutions (one at 4x4) and optionally the `ToImage` layer.

    inputs: channels of the maps at half the size; 0 at 4x4. residual: the maps at half the size are added at the end.
    num_layers: the number of styles for its convolutions; the `ToImage` layer has the next style.
    """

    def __init__(
        self, inputs: int, outputs: int, style_dim: int, size: int, channels: int, *, residual: bool, to_image: bool,
        implementation: Implementation,
    ) -> None:  # fmt: skip
        super().__init__()
        self.first = self.skip = None
        gain = 1.0
        if inputs:
            self.first = StyledConv2d(inputs, outputs, style_dim, size, up=True, implementation=implementation)
        if inputs and residual:
            gain = HALF
            conv = EqualisedConv2d(inputs, outputs, 1, bias=False, gain=gain)
            self.skip = nn.Sequential(conv, Resample(up=True))
        self.second = StyledConv2d(outputs, outputs, style_dim, size, gain=gain, implementation=implementation)
        self.to_image = ToImage(outputs, channels, style_dim) if to_image else None
        self.num_layers = 2 if inputs else 1

    def forward(self, x: Tensor, styles: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Maps [B, inputs, S / 2, S / 2] -> maps [B, outputs, S, S], and pixels [B, C, S, S] if it has `ToImage`.

        styles: `num_layers` and one more, [B, style_dim] each.
        """
        before = x
        if self.first is not None:
            x = self.first(x, styles[0])
        x = self.second(x, styles[self.num_layers - 1])
        if self.skip is not None:
            x = x + self.skip(before)
        return x, None if self.to_image is None else self.to_image(x, styles[self.num_layers])


class Synthesis(nn.Module):
    """A learned constant of 4x4 and one block per size: styles [B, L, style_dim] -> images [B, C, S, S].

    L = 2 log2(S) - 2, see `num_layers`. architecture: "skip", pixels of every size are summed, each sum upsampled with
    [1, 3, 3, 1]; "resnet", blocks are residual; "orig", neither. The images are unbounded.
    Source: Karras et al. 2020 (arXiv:1912.04958), figure 7.
    """

    def __init__(
        self, images: ImageSpec, style_dim: int, base_width: int, max_width: int, *,
        architecture: Architecture = "skip", implementation: Implementation = "scaled",
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = sizes_of(images)
        widths = [channels_at(size, base_width, max_width) for size in sizes]
        self.constant = nn.Parameter(torch.randn(1, widths[0], SMALLEST, SMALLEST))
        self.blocks = nn.ModuleList(
            SynthesisBlock(
                inputs, outputs, style_dim, size, images.channels, residual=architecture == "resnet",
                to_image=architecture == "skip" or size == images.size, implementation=implementation,
            )
            for size, inputs, outputs in zip(sizes, [0, *widths], widths, strict=False)
        )  # fmt: skip
        self.upsample = Resample(up=True)
        self.num_layers = 2 * len(sizes)

    def forward(self, styles: Tensor) -> Tensor:
        given = styles.unbind(dim=1)
        maps = self.constant.expand(styles.shape[0], -1, -1, -1)  # len() would be exported as a constant
        image: Tensor | None = None
        for size, block in enumerate(self.blocks):
            maps, pixels = block(maps, given[max(2 * size - 1, 0) :])  # one layer at 4x4, then two per size
            if pixels is not None:
                image = pixels if image is None else self.upsample(image) + pixels
        assert image is not None
        return image


class DiscriminatorBlock(nn.Module):
    """Two convolutions, the second to half the size: maps [B, inputs, S, S] -> [B, outputs, S / 2, S / 2]."""

    def __init__(self, inputs: int, outputs: int, *, residual: bool) -> None:
        super().__init__()
        gain = HALF if residual else 1.0
        self.first = ActivatedConv2d(inputs, inputs, 3)
        self.second = ActivatedConv2d(inputs, outputs, 3, gain=gain, down=True)
        self.skip = Halved(inputs, outputs, gain) if residual else None

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(maps))
        return out if self.skip is None else out + self.skip(maps)


class StyleDiscriminator(nn.Module):
    """Images [B, C, S, S], and one-hot classes [B, K] if there are any, to logits [B].

    architecture: "resnet", blocks are residual; "skip", images enter at every size, halved with [1, 3, 3, 1]; "orig",
    neither. group: size for the mini-batch deviation. With classes the score is the inner product of the features and a
    mapping of the class, divided by the square root of their length. The last layers stay in float32.
    Source: Karras et al. 2020 (arXiv:1912.04958), figure 7; classes as in the code of StyleGAN2-ADA.
    """

    def __init__(
        self, images: ImageSpec, base_width: int, max_width: int, *, architecture: Architecture = "resnet",
        group: int = 4, classes: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = sizes_of(images)[::-1]
        widths = [channels_at(size, base_width, max_width) for size in sizes]
        last, entries = widths[-1], widths if architecture == "skip" else widths[:1]
        self.from_image = nn.ModuleList(ActivatedConv2d(images.channels, width, 1) for width in entries)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(*pair, residual=architecture == "resnet") for pair in pairwise(widths)
        )
        self.halve = Resample(up=False)
        self.deviation = MinibatchDeviation(group)
        self.conv = ActivatedConv2d(last + 1, last, 3)
        self.hidden = ActivatedLinear(last * SMALLEST**2, last)
        self.out = EqualisedLinear(last, last if classes else 1)
        self.classes = Mapping(0, last, CLASS_LAYERS, classes=classes) if classes else None

    def forward(self, images: Tensor, classes: Tensor | None = None) -> DiscriminatorOutput:
        maps = self.from_image[0](images)
        for place, block in enumerate(self.blocks, 1):
            maps = block(maps)
            if place < len(self.from_image):
                images = self.halve(images)
                maps = maps + self.from_image[place](images)
        with torch.autocast(maps.device.type, enabled=False):
            score = self.out(self.hidden(self.conv(self.deviation(maps.float())).flatten(1)))
        if self.classes is not None:
            score = (score * self.classes(None, classes)).sum(dim=1, keepdim=True) / math.sqrt(score.shape[1])
        return DiscriminatorOutput(score.squeeze(1), (maps,))
