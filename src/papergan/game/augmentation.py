"""Differentiable augmentation of real and generated images (Zhao et al. 2020, arXiv:2006.10738).

Every image is always augmented, with its own random draw (no probability of skipping). The augmentation is twice
differentiable, so R1 may be taken before it. Values may leave [-1, 1]; they are not clamped.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from papergan.errors import did_you_mean
from papergan.game.affine_resampling import warp
from papergan.game.sharding import per_image
from papergan.messages import quoted


def color(images: Tensor) -> Tensor:
    """Brightness + U(-0.5, 0.5), saturation * U(0, 2) about the pixel's channel mean, contrast * U(0.5, 1.5) about the
    image's mean, in this order.
    """
    images = images + (_uniform(images) - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (_uniform(images) * 2.0) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images) + 0.5) + mean


def translation(images: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by whole pixels, uniform in -s..s on each axis, s = int(size * ratio + 0.5); filled with 0 (mid-grey)."""
    size = images.shape[-1]
    reach = int(size * ratio + 0.5)
    shift = per_image(lambda n: torch.randint(-reach, reach + 1, (n, 2), device=images.device), len(images))
    affine = _affine(images, cosine=1.0, sine=0.0, shift=shift * (2.0 / size))
    return warp(images, affine, mode="nearest", padding="zeros")


def cutout(images: Tensor, ratio: float = 0.5) -> Tensor:
    """Set one square of side int(size * ratio + 0.5) to 0, centred anywhere, clipped at the border."""
    size = images.shape[-1]
    side = int(size * ratio + 0.5)
    places = size + (1 - side % 2)
    centre = per_image(lambda n: torch.randint(0, places, (2, n, 1), device=images.device), len(images), dim=1)
    pixels = torch.arange(size, device=images.device)
    inside = (pixels >= centre - side // 2) & (pixels < centre - side // 2 + side)
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0.0)


def rotation(images: Tensor, degrees: float = 15.0) -> Tensor:
    """Rotate by U(-degrees, degrees) about the centre, bilinear, reflected at the border."""
    angle = (_uniform(images).flatten() * 2.0 - 1.0) * math.radians(degrees)
    affine = _affine(images, cosine=angle.cos(), sine=angle.sin(), shift=0.0)
    return warp(images, affine, mode="bilinear", padding="reflection")


STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "color": color,
    "translation": translation,
    "crop": translation,  # at a fixed size, cropping is a shift that loses what leaves the frame
    "cutout": cutout,
    "rotation": rotation,
}


class DiffAugment:
    """Applies the steps of a policy such as "color,translation,cutout" in the order given.

    A plus sign also separates steps, because a comma ends a value on Kedro's command line.
    Raises ValueError for an unknown or an empty policy.
    """

    def __init__(self, policy: str) -> None:
        names = [name.strip() for name in policy.replace("+", ",").split(",")]
        for name in names:
            if name not in STEPS:
                raise ValueError(
                    f"unknown augmentation {quoted(name)} in policy {quoted(policy)}{did_you_mean(name, STEPS)}"
                )
        self.names = tuple(names)
        self.steps = [STEPS[name] for name in names]

    def __repr__(self) -> str:
        return f"DiffAugment({', '.join(self.names)})"

    def __call__(self, images: Tensor) -> Tensor:
        for step in self.steps:
            images = step(images)
        return images


def _uniform(images: Tensor) -> Tensor:
    return per_image(lambda n: torch.rand(n, 1, 1, 1, device=images.device, dtype=images.dtype), len(images))


def _affine(images: Tensor, cosine: Tensor | float, sine: Tensor | float, shift: Tensor | float) -> Tensor:
    """Maps output to input coordinates in [-1, 1]: [B, 2, 3]."""
    affine = torch.zeros(len(images), 2, 3, device=images.device)
    affine[:, 0, 0] = affine[:, 1, 1] = cosine
    affine[:, 0, 1], affine[:, 1, 0] = -sine, sine
    affine[:, :, 2] = shift
    return affine
