"""Baselines without a network for translations: upscaling, filling of holes, the input itself."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from papergan.data.degradations import BATCH, grey, resampled

BASELINES = ("bicubic", "mean fill", "nearest fill", "input")
AT_ONCE = 256  # images whose holes are filled together


def baselines(inputs: Tensor, channels: int, shape: tuple[int, int]) -> Iterator[tuple[str, Tensor]]:
    """Baseline images by name: uint8 [N, channels, *shape], made from the inputs without a network.

    Smaller inputs are upscaled, "bicubic"; holes are filled with the mean of known pixels, "mean fill", and with the
    nearest known pixel, "nearest fill"; other inputs are unchanged, "input".
    """
    if inputs.shape[1] == channels + 1:
        yield "mean fill", torch.cat([_mean_fill(part) for part in torch.split(inputs, BATCH)])
        yield "nearest fill", torch.cat([_nearest_fill(part) for part in torch.split(inputs, AT_ONCE)])
        return
    images = inputs if inputs.shape[1] == channels else grey(inputs).expand(-1, channels, -1, -1)
    if inputs.shape[-2:] == shape:
        yield "input", images
        return
    yield "bicubic", torch.cat([resampled(part, shape) for part in torch.split(images, BATCH)])


def _mean_fill(inputs: Tensor) -> Tensor:
    there = (inputs[:, -1:] == 0).float()
    images = inputs[:, :-1].float()
    mean = (images * there).sum((2, 3), keepdim=True) / there.sum((2, 3), keepdim=True).clamp_min(1.0)
    return (images * there + mean * (1 - there)).round().to(torch.uint8)


def _nearest_fill(inputs: Tensor) -> Tensor:
    """Fill every missing pixel with the nearest known one by city-block distance, growing from the hole's edge."""
    images, missing = inputs[:, :-1].clone(), inputs[:, -1:] > 0
    for _ in range(2 * inputs.shape[-1]):
        if not bool(missing.any()):
            break
        for shift, axis in ((1, 2), (-1, 2), (1, 3), (-1, 3)):
            there = (~missing).roll(shift, axis)
            edge = 0 if shift == 1 else inputs.shape[-1] - 1
            there.select(axis, edge).fill_(False)  # wrapped around from the other side
            filled = missing & there
            images = torch.where(filled, images.roll(shift, axis), images)
            missing = missing & ~filled
    return images
