"""Resampling of images between their pixels, through the low-pass filter of a wavelet; differentiable twice.

Source: Karras et al. 2020, arXiv:2006.06676, appendix B. Deviations from the authors' code and R3GAN's: coordinates are
relative to the filter's centre of mass, tap 5.098, theirs to its middle, 5.5; images are mirrored over half of their
size, theirs over up to one pixel less than all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.game.affine_resampling import warp
from papergan.game.filtering import doubled, halved
from papergan.objectives.adaptive_augmentation.matrices import product

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
"""The low-pass filter of Daubechies' symlet with six vanishing moments, of unit norm: up and down is the identity."""


def moved_pixels(images: Tensor, matrices: Tensor) -> Tensor:
    """As `resampled`, but for output pixels that coincide with input pixels: no filter."""
    return warp(images, matrices[:, :2], mode="nearest", padding="reflection")


def resampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample [B, C, S, S] by [B, 3, 3] from output to input coordinates; images are mirrored beyond the border."""
    size, taps = images.shape[-1], len(SYM6)
    margin = size // 2
    large = up(mirrored(images, margin))
    inner = 2 * size + taps - 2
    # An asymmetric filter shifts its output: coordinates are taken relative to its centre of mass.
    middle = sum(place * weight for place, weight in enumerate(SYM6)) / sum(SYM6) - (taps - 1) / 2
    offset, ratio, full = 2 * middle / large.shape[-1], size * 2 / large.shape[-1], inner / (2 * size)
    affine = _about(matrices, offset, ratio, full, 2 * middle / inner)
    return down(warp(large, affine, mode="bilinear", padding="reflection", size=inner))


def mirrored(images: Tensor, margin: int) -> Tensor:
    """Images padded with their mirror image about the outermost pixels: [B, C, S + 2 margin, S + 2 margin].

    Like pad(mode="reflect") of torch, whose derivative has no deterministic kernel on a GPU.
    """
    for axis in (2, 3):
        before = images.narrow(axis, 1, margin).flip(axis)
        after = images.narrow(axis, images.shape[axis] - 1 - margin, margin).flip(axis)
        images = torch.cat([before, images, after], dim=axis)
    return images


def _about(matrices: Tensor, offset: float, ratio: float, full: float, out_offset: float) -> Tensor:
    """[B, 2, 3] from coordinates of the output, filter margin included, to those of the larger input."""
    parts = [torch.eye(3, device=matrices.device) for _ in range(2)]
    for part, scale, move in zip(parts, (full, ratio), (-out_offset * full, offset), strict=True):
        part[:2, :2].mul_(scale)
        part[:2, 2].fill_(move)
    return product(product(parts[1], matrices), parts[0])[:, :2]


def _taps(images: Tensor) -> Tensor:
    taps = torch.empty(len(SYM6), device=images.device)
    for place, weight in enumerate(SYM6):  # filled on the device: the host sends nothing
        taps[place].fill_(weight)
    return taps


def up(images: Tensor) -> Tensor:
    """Upsample by a factor of two with the filter: [B, C, 2 S + 10, 2 S + 10]."""
    return 2.0 * doubled(images, _taps(images))


def down(images: Tensor) -> Tensor:
    """Downsample by a factor of two with the filter: [B, C, (S - 10) / 2, (S - 10) / 2]."""
    return 0.5 * halved(images, _taps(images))
