"""Filtering of images and feature maps with a fixed separable filter, with or without a change of resolution.

Filters are applied as matrix products, on any device, so that first and second derivatives are products with the same
matrices. For a depthwise convolution, torch computes the second derivative through a derivative in the weights, which
is not needed, in as many parts as there are channels. `benchmarks/filtering.py` measures both.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv_transpose1d

FEW_CHANNELS = 8  # with fewer, as in images, products in memory order would be too small


def blurred(maps: Tensor, taps: Tensor, *, padding: int = 0) -> Tensor:
    """sum_t taps[t] x[i + t - padding] along both axes, zeros beyond: [B, C, H, W] and [K] -> [B, C, H', W'].

    H' = H + 2 padding - K + 1. taps: of the same dtype as the maps.
    """
    return _filtered(maps, taps, padding, stride=1)


def halved(maps: Tensor, taps: Tensor, *, padding: int = 0) -> Tensor:
    """As `blurred`, at every second position: sum_t taps[t] x[2 i + t - padding], H' = (H + 2 padding - K) // 2 + 1."""
    return _filtered(maps, taps, padding, stride=2)


def doubled(maps: Tensor, taps: Tensor, *, padding: int = 0) -> Tensor:
    """The transpose of `halved`: taps[t] x[i] is added to position 2 i + t - padding, [B, C, H, W] -> [B, C, H', W'].

    H' = 2 (H - 1) + K - 2 padding.
    """
    return _filtered(maps, taps, padding, stride=2, transposed=True)


def _filtered(maps: Tensor, taps: Tensor, padding: int, *, stride: int, transposed: bool = False) -> Tensor:
    """A matrix product along each axis: H / K times the multiplications of a convolution along it.

    Channels-last maps, unless they are only a few, are processed in memory order, so that nothing is copied.
    """
    height, width = maps.shape[2:]
    down = _matrix(height, taps, padding, stride, transposed)
    right = down if width == height else _matrix(width, taps, padding, stride, transposed)
    if maps.shape[1] < FEW_CHANNELS or not maps.is_contiguous(memory_format=torch.channels_last):
        return down @ (maps @ right.t())
    rows = maps.permute(0, 2, 3, 1)
    tall = (down @ rows.flatten(2)).view(-1, width, maps.shape[1])
    return (right @ tall).view(-1, len(down), len(right), maps.shape[1]).permute(0, 3, 1, 2)


def _matrix(size: int, taps: Tensor, padding: int, stride: int, transposed: bool) -> Tensor:
    """The matrix [H', H] whose product with a column is the filtered column."""
    columns = torch.eye(size, dtype=taps.dtype, device=taps.device)[:, None]
    convolution = conv_transpose1d if transposed else conv1d
    return convolution(columns, taps[None, None], stride=stride, padding=padding)[:, 0].t()
