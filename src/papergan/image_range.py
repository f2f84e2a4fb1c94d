"""The two value ranges of images: unsigned bytes on disk and in memory, [-1, 1] for networks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from papergan.errors import NotFiniteError

Quantisation = Literal["round", "truncate"]


def to_model_range(pixels: Tensor) -> Tensor:
    """uint8 0..255 -> float32 [-1, 1], x / 127.5 - 1; tahvili2025, IV.B (ToTensor, then Normalize(0.5, 0.5))."""
    return pixels.float().div_(127.5).sub_(1.0)


def to_pixels(images: Tensor, quantisation: Quantisation = "round") -> Tensor:
    """Float [-1, 1] -> uint8 0..255. round: to the nearest; truncate: downwards, as some other code does (`.byte()`).

    Truncation darkens every image by half a grey level on average, which changes the scores. Synchronises with the
    device. Raises NotFiniteError if a value is NaN or infinite: as a byte it would look like any other.
    """
    if not bool(torch.isfinite(images).all()):
        raise NotFiniteError(f"generated images {list(images.shape)} hold values that are NaN or infinite")
    values = images.float().add(1.0).mul_(127.5)
    return (values.round_() if quantisation == "round" else values.floor_()).clamp_(0, 255).to(torch.uint8)
