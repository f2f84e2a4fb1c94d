"""Resampling of feature maps with the low-pass filter [1, 3, 3, 1]: up, down, or at the same resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.game.filtering import blurred, doubled, halved

LINE = (1.0, 3.0, 3.0, 1.0)


class Resample(nn.Module):
    """Doubles or halves the resolution with the filter [1, 3, 3, 1] along both axes, [B, C, H, W]; zeros outside."""

    taps: Tensor

    def __init__(self, *, up: bool) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(LINE) * ((2.0 if up else 1.0) / sum(LINE)), persistent=False)
        self.up = up

    def forward(self, maps: Tensor) -> Tensor:
        return (doubled if self.up else halved)(maps, self.taps.to(maps.dtype), padding=1)


class Blur(nn.Module):
    """The filter [1, 3, 3, 1] at the same resolution: [B, C, S, S] -> [B, C, S + 2 padding - 3, ...], zeros outside.

    With padding 2 before a convolution of stride 2, or padding 1 after a transposed one, convolution and resampling are
    one step with a quarter of the products. The filter sums to 1; a transposed convolution of stride 2, which leaves
    three of four pixels empty, needs an additional gain of 4.
    Source: Karras et al. 2019 (arXiv:1812.04948), section 2; this filter in the authors' code of StyleGAN2.
    """

    taps: Tensor

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(LINE) / sum(LINE), persistent=False)
        self.padding = padding

    def forward(self, maps: Tensor) -> Tensor:
        return blurred(maps, self.taps.to(maps.dtype), padding=self.padding)
