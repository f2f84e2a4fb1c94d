"""Images and feature maps twice or half as large by a fixed filter, the same along both axes; differentiable twice.

Convolutions of each channel by itself, and on a CPU products with matrices that do the same: of such a convolution
torch computes the second derivative by way of one in the weights, which nobody needs, and it has no fast kernel for the
first one in bfloat16. `benchmarks/filtering.py` measures both.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, conv_transpose1d, conv_transpose2d

FEW_CHANNELS = 8  # below, as of images, products in the order of memory would be too small


def halved(maps: Tensor, taps: Tensor, *, padding: int = 0) -> Tensor:
    """sum_t taps[t] x[2 i + t - padding] along both axes, zeros beyond: [B, C, H, W] and [K] -> [B, C, H', W'].

    H' = (H + 2 padding - K) // 2 + 1. taps: of the type of the maps.
    """
    return (by_matrices if maps.device.type == "cpu" else by_convolutions)(maps, taps, padding, up=False)


def doubled(maps: Tensor, taps: Tensor, *, padding: int = 0) -> Tensor:
    """The transpose of `halved`: taps[t] x[i] is added to place 2 i + t - padding, [B, C, H, W] -> [B, C, H', W'].

    H' = 2 (H - 1) + K - 2 padding.
    """
    return (by_matrices if maps.device.type == "cpu" else by_convolutions)(maps, taps, padding, up=True)


def by_convolutions(maps: Tensor, taps: Tensor, padding: int, *, up: bool) -> Tensor:
    """As `halved`, or `doubled`, by a convolution of each channel along either axis."""
    convolution, channels = conv_transpose2d if up else conv2d, maps.shape[1]
    weights = taps.expand(channels, 1, 1, -1)
    across = convolution(maps, weights, stride=(1, 2), padding=(0, padding), groups=channels)
    weights = weights.transpose(2, 3)
    return convolution(across, weights, stride=(2, 1), padding=(padding, 0), groups=channels)


def by_matrices(maps: Tensor, taps: Tensor, padding: int, *, up: bool) -> Tensor:
    """As `halved`, or `doubled`, by a product with a matrix along either axis: H / K times the multiplications.

    In the order in which the maps lie in memory, so that nothing is copied, where they are more than a few.
    """
    height, width = maps.shape[2:]
    down = _matrix(height, taps, padding, up)
    right = down if width == height else _matrix(width, taps, padding, up)
    if maps.shape[1] < FEW_CHANNELS or not maps.is_contiguous(memory_format=torch.channels_last):
        return down @ (maps @ right.t())
    rows = maps.permute(0, 2, 3, 1)
    tall = (down @ rows.flatten(2)).view(-1, width, maps.shape[1])
    return (right @ tall).view(-1, len(down), len(right), maps.shape[1]).permute(0, 3, 1, 2)


def _matrix(size: int, taps: Tensor, padding: int, up: bool) -> Tensor:
    """[H', H] whose product with a column is the filtered column."""
    columns = torch.eye(size, dtype=taps.dtype, device=taps.device)[:, None]
    return (conv_transpose1d if up else conv1d)(columns, taps[None, None], stride=2, padding=padding)[:, 0].t()
