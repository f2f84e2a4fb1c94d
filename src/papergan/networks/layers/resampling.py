"""Feature maps twice or half as large by the low-pass filter [1, 3, 3, 1]."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

LINE = (1.0, 3.0, 3.0, 1.0)


def kernel_of(channels: int, gain: float = 1.0) -> Tensor:
    """The filter in both directions for a convolution of each channel by itself: [channels, 1, 4, 4], sum `gain`."""
    line = torch.tensor(LINE)
    kernel = torch.outer(line, line) * (gain / sum(LINE) ** 2)
    return kernel.expand(channels, 1, 4, 4).clone(memory_format=torch.contiguous_format)


class Resample(nn.Module):
    """Twice or half as large by the filter [1, 3, 3, 1] in both directions, [B, C, H, W]; zeros beyond the border."""

    kernel: Tensor

    def __init__(self, channels: int, *, up: bool) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel_of(channels, 4.0 if up else 1.0), persistent=False)
        self.up = up

    def forward(self, maps: Tensor) -> Tensor:
        kernel = self.kernel.to(maps.dtype)
        if self.up:
            return conv_transpose2d(maps, kernel, stride=2, padding=1, groups=maps.shape[1])
        return conv2d(maps, kernel, stride=2, padding=1, groups=maps.shape[1])


class Blur(nn.Module):
    """The filter [1, 3, 3, 1] at the same resolution: [B, C, S, S] -> [B, C, S + 2 padding - 3, ...], zeros around.

    Of padding 2 before a convolution of stride 2, of padding 1 after a transposed one: so convolution and change of
    resolution are one step, of a quarter of the products. The filter has the sum 1; a transposed convolution of stride
    2, which leaves three of four pixels empty, needs a gain of 4 besides.
    Source: Karras et al. 2019 (arXiv:1812.04948), section 2; this filter in the authors' code of StyleGAN2.
    """

    kernel: Tensor

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel_of(channels), persistent=False)
        self.padding = padding

    def forward(self, maps: Tensor) -> Tensor:
        return conv2d(maps, self.kernel.to(maps.dtype), padding=self.padding, groups=maps.shape[1])
