"""The synthesis network of StyleGAN: instance normalisation with scale and shift from a style, after every layer.

Source: Karras et al. 2019, arXiv:1812.04948, section 2 and appendix C, and the authors' code.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, leaky_relu

from papergan.data.images import ImageSpec
from papergan.networks.layers.equalised import GAIN, SLOPE, EqualisedConv2d, EqualisedLinear
from papergan.networks.layers.resampling import Blur
from papergan.networks.layers.styles import Noise, style_of
from papergan.networks.style_based.stylegan2 import SMALLEST, channels_at, sizes_of


class AdaIN(nn.Module):
    """(1 + s) (x - mean) / deviation + b, for each map of each image; (s, b) = A(w): x [B, C, S, S], w [B, style_dim].

    The variance is over all pixels, plus 1e-8, in float32.
    Source: Karras et al. 2019 (arXiv:1812.04948), eq. 1, with the 1 + s of the authors' code.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = EqualisedLinear(style_dim, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = style_of(self.affine, style)[:, :, None, None].chunk(2, dim=1)
        centred = x.float() - x.float().mean(dim=(2, 3), keepdim=True)
        # 1e4 / sqrt(1e8 v + 1) is 1 / sqrt(v + 1e-8), whose small term the ONNX exporter treats as 0 and drops
        scale = (1 + scale) * 1e4 * torch.rsqrt(1e8 * centred.square().mean(dim=(2, 3), keepdim=True) + 1)
        out: Tensor = centred.to(x.dtype) * scale.to(x.dtype) + shift.to(x.dtype)
        return out


class Doubled(EqualisedConv2d):
    """A 3x3 convolution to twice the resolution: transposed, of stride 2, then the filter [1, 3, 3, 1]; no bias.

    Away from the border this equals nearest-neighbour upsampling, the convolution and the filter [1, 2, 1], as in the
    authors' code.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, bias=False, gain=GAIN)
        self.blur = Blur(1)

    def forward(self, x: Tensor) -> Tensor:
        weight = (4 * self.scale * self.weight).transpose(0, 1)
        out: Tensor = self.blur(conv_transpose2d(x, weight, stride=2))
        return out


class StyledLayer(nn.Module):
    """AdaIN(leaky_relu(f(x) + strength n + b), w), f: identity ("input"), a 3x3 convolution ("same") or `Doubled`."""

    def __init__(
        self, inputs: int, outputs: int, style_dim: int, size: int, kind: Literal["input", "same", "double"]
    ) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Identity()
        if kind == "same":
            self.conv = EqualisedConv2d(inputs, outputs, 3, bias=False, gain=GAIN)
        if kind == "double":
            self.conv = Doubled(inputs, outputs)
        self.noise = Noise(size, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.norm = AdaIN(outputs, style_dim)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        maps = self.noise(self.conv(x))
        out: Tensor = self.norm(leaky_relu(maps + self.bias.to(maps.dtype)[:, None, None], SLOPE), style)
        return out


class AdaINSynthesis(nn.Module):
    """A learned constant of 4x4, two layers for every size: styles [B, L, style_dim] -> images [B, C, S, S].

    L = 2 log2(S) - 2. The images are unbounded. Source: Karras et al. 2019 (arXiv:1812.04948), figure 1 b.
    """

    def __init__(self, images: ImageSpec, style_dim: int, base_width: int, max_width: int) -> None:
        super().__init__()
        sizes = sizes_of(images)
        widths = [channels_at(size, base_width, max_width) for size in sizes]
        self.constant = nn.Parameter(torch.ones(1, widths[0], SMALLEST, SMALLEST))
        layers = []
        for size, inputs, outputs in zip(sizes, [widths[0], *widths], widths, strict=False):
            layers.append(StyledLayer(inputs, outputs, style_dim, size, "double" if size > SMALLEST else "input"))
            layers.append(StyledLayer(outputs, outputs, style_dim, size, "same"))
        self.layers = nn.ModuleList(layers)
        self.to_image = EqualisedConv2d(widths[-1], images.channels, 1)
        self.num_layers = len(layers)

    def forward(self, styles: Tensor) -> Tensor:
        maps = self.constant.expand(styles.shape[0], -1, -1, -1)  # len() would be exported as a constant
        for layer, style in zip(self.layers, styles.unbind(dim=1), strict=True):
            maps = layer(maps, style)
        image: Tensor = self.to_image(maps)
        return image.float()
