"""Layers with equalised learning rates, pixel normalisation and mini-batch deviation (Karras et al. 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from papergan.game.sharding import all_gather, first_row, global_count

SLOPE, GAIN = 0.2, math.sqrt(2)  # of LeakyReLU; the gain keeps the standard deviation of maps after it


class EqualisedLinear(nn.Linear):
    """y = c W x + rate b with W ~ N(0, 1 / rate), c = rate gain / sqrt(inputs): [..., inputs] -> [..., outputs].

    So every weight has the same dynamic range and, under an optimiser that normalises gradients, the same speed.
    gain: the standard deviation of y for x ~ N(0, 1). rate: a factor on the learning rate. offset: the initial bias.
    Source: Karras et al. 2018 (arXiv:1710.10196), section 4.1; the rate, Karras et al. 2019 (arXiv:1812.04948), C.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: bool = True, gain: float = 1.0, rate: float = 1.0, offset: float = 0.0
    ) -> None:
        super().__init__(inputs, outputs, bias)
        self.rate, self.scale = rate, rate * gain / math.sqrt(inputs)
        _initialise(self, rate, offset)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self.scale, None if self.bias is None else self.bias * self.rate)


class EqualisedConv2d(nn.Conv2d):
    """A convolution of stride 1 with c W, W ~ N(0, 1), c = gain / sqrt(inputs k^2): [B, inputs, S, S], same size.

    k must be odd. gain and source as in `EqualisedLinear`.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        self.scale = gain / math.sqrt(inputs * kernel**2)
        _initialise(self, 1.0, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


def _initialise(layer: nn.Linear | nn.Conv2d, rate: float, offset: float) -> None:
    nn.init.normal_(layer.weight, 0.0, 1.0 / rate)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, offset / rate)


class PixelNorm(nn.Module):
    """x / sqrt(mean over channels of x^2 + 1e-8), at every pixel: [B, C, ...], same shape.

    Source: Karras et al. 2018 (arXiv:1710.10196), section 4.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class MinibatchDeviation(nn.Module):
    """Appends a map: the mean over channels and pixels of the standard deviation over a group: [B, C, S, S] -> C + 1.

    group: size of a group, the b-th image with those B / group further on; None = the whole batch. A batch that is not
    a multiple of it is one group. channels: maps appended, each for an equal share of the channels. On several devices
    the batch is the joint batch of all devices.
    Source: Karras et al. 2018 (arXiv:1710.10196), section 3; groups as in the authors' code of StyleGAN2.
    """

    def __init__(self, group: int | None = 4, channels: int = 1) -> None:
        super().__init__()
        self.group, self.channels = group, channels

    def forward(self, x: Tensor) -> Tensor:
        mine, _, height, width = x.shape
        batch = global_count(mine)
        group = batch if self.group is None or batch % min(self.group, batch) else min(self.group, batch)
        grouped = all_gather(x).reshape(group, batch // group, self.channels, -1, height, width)
        deviation = (grouped.float().var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(2, 3, 4)).to(x.dtype)
        maps = deviation.repeat(group, 1).narrow(0, first_row(mine), mine)
        return torch.cat([x, maps[:, :, None, None].expand(-1, -1, height, width)], dim=1)
