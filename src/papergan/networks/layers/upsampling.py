"""Upsampling layers by a factor of two, which differ in checkerboard artefacts."""

from __future__ import annotations

from typing import Literal

from torch import nn

Upsampling = Literal["transposed", "resize", "subpixel"]


def upsampling(kind: Upsampling, inputs: int, outputs: int, *, bias: bool = False) -> nn.Module:
    """Maps [B, inputs, S, S] -> [B, outputs, 2 S, 2 S].

    transposed: a transposed convolution, 4x4, stride 2 (Radford et al. 2015); if its kernel is not a multiple of its
    stride, or its weights are uneven, pixels of different parity get different weights. resize: nearest neighbour, then
    a 3x3 convolution (Odena, Dumoulin and Olah 2016, doi:10.23915/distill.00003). subpixel: a 3x3 convolution to four
    times the maps, which become pixels (Shi et al. 2016, arXiv:1609.05158). Raises ValueError for any other kind.
    """
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    if kind == "resize":
        return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))
    if kind == "subpixel":
        return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1, bias=bias), nn.PixelShuffle(2))
    raise ValueError(f"unknown upsampling {kind!r}; there are transposed, resize, subpixel")
