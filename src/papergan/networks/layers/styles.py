"""Layers of style-based networks: activated layers with equalised rates, the mapping network, noise inputs."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear

from papergan.game.sharding import per_image
from papergan.networks.layers.equalised import GAIN, SLOPE, EqualisedConv2d, EqualisedLinear, PixelNorm
from papergan.networks.layers.resampling import Blur, Resample

RATE = 0.01  # learning rate of mapping networks, relative to other weights


class ActivatedLinear(EqualisedLinear):
    """sqrt(2) leaky_relu(c W x + rate b), see `EqualisedLinear`: [B, inputs] -> [B, outputs].

    Biases are multiplied by sqrt(2) as well, as in the authors' code of StyleGAN2.
    """

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0) -> None:
        super().__init__(inputs, outputs, gain=GAIN, rate=rate)

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(linear(x, self.weight * self.scale, self.bias * (GAIN * self.rate)), SLOPE)


class ActivatedConv2d(EqualisedConv2d):
    """gain sqrt(2) leaky_relu(conv(x) + b), at half the resolution if `down`: [B, inputs, S, S].

    down: through the filter [1, 3, 3, 1] and then by a stride of 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, gain: float = 1.0, down: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, gain=gain * GAIN)
        self.bias_gain = gain * GAIN
        self.blur = Blur(kernel // 2 + 1) if down else None

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * self.scale, None if self.bias is None else self.bias * self.bias_gain
        if self.blur is None:
            return leaky_relu(conv2d(x, weight, bias, padding=self.padding), SLOPE)
        return leaky_relu(conv2d(self.blur(x), weight, bias, stride=2), SLOPE)


class Halved(nn.Module):
    """gain conv1x1(x at half the resolution), without a bias: [B, inputs, S, S] -> [B, outputs, S / 2, S / 2]."""

    def __init__(self, inputs: int, outputs: int, gain: float) -> None:
        super().__init__()
        self.halve = Resample(up=False)
        self.conv = EqualisedConv2d(inputs, outputs, 1, bias=False, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.halve(x))
        return out


class Mapping(nn.Module):
    """w = f(z): normalised latents through fully connected layers at a hundredth of the learning rate, in float32.

    latent: [B, latent_dim]; classes: one-hot [B, K], embedded in style_dim dimensions, normalised and appended.
    latent_dim 0: only classes. Returns [B, style_dim].
    Source: Karras et al. 2019 (arXiv:1812.04948), section 2 and appendix C; classes as in the code of StyleGAN2-ADA.
    """

    def __init__(self, latent_dim: int, style_dim: int, layers: int, *, classes: int = 0) -> None:
        super().__init__()
        self.norm = PixelNorm()
        self.embedding = EqualisedLinear(classes, style_dim) if classes else None
        inputs = latent_dim + (style_dim if classes else 0)
        widths = [inputs, *[style_dim] * layers]
        self.layers = nn.Sequential(*(ActivatedLinear(*pair, rate=RATE) for pair in pairwise(widths)))

    def forward(self, latent: Tensor | None, classes: Tensor | None = None) -> Tensor:
        given = latent if latent is not None else classes
        if given is None or (self.embedding is not None and classes is None):
            raise ValueError("a network that is conditional on classes needs them")
        with torch.autocast(given.device.type, enabled=False):
            parts = [] if latent is None else [self.norm(latent.float())]
            if self.embedding is not None and classes is not None:  # both or neither
                parts.append(self.norm(self.embedding(classes.float())))
            style: Tensor = self.layers(torch.cat(parts, dim=1))
        return style


def style_of(affine: EqualisedLinear, w: Tensor) -> Tensor:
    """The style of one layer, A(w) = c W w + b, in float32 whatever the precision of the networks: [B, outputs]."""
    with torch.autocast(w.device.type, enabled=False):
        style: Tensor = affine(w.float())
    return style


class Noise(nn.Module):
    """x + gain strength n: one number n ~ N(0, 1) per pixel for all channels, with a learned strength, initially 0.

    x: [B, C, S, S]. In training n is drawn for every image; in evaluation it is always the same fixed map, a buffer,
    so that an image is a function of its latent. channels: number of strengths, one for each channel or one for all.
    Source: Karras et al. 2019 (arXiv:1812.04948), section 2; the fixed map is noise_mode "const" of the authors' code.
    """

    fixed: Tensor

    def __init__(self, size: int, channels: int = 1) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.register_buffer("fixed", torch.randn(size, size))

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        noise = self.fixed
        if self.training:
            noise = per_image(lambda n: torch.randn(n, 1, *x.shape[2:], device=x.device), len(x))
        return x + (gain * self.strength).to(x.dtype)[:, None, None] * noise.to(x.dtype)
