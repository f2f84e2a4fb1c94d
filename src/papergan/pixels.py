"""The two ranges of an image: unsigned bytes on disk and in memory, [-1, 1] for networks."""

from __future__ import annotations

import torch
from torch import Tensor


def to_model_range(pixels: Tensor) -> Tensor:
    """uint8 0..255 -> float32 [-1, 1], x / 127.5 - 1; document 000, IV.B (ToTensor, then Normalize(0.5, 0.5))."""
    return pixels.float().div_(127.5).sub_(1.0)


def to_pixels(images: Tensor) -> Tensor:
    """Float [-1, 1] -> uint8 0..255, rounded to nearest (truncation would shift every value by half a grey level)."""
    return images.float().add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
