"""PSNR and SSIM: how similar an image is to its target."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.ms_ssim import WINDOW, luminance_and_contrast

LUMA = (65.481, 128.553, 24.966)  # per 255 of red, green and blue, on 16: ITU-R BT.601, as MATLAB's rgb2ycbcr


def luma(images: Array) -> Tensor:
    """The Y channel in studio range, 16..235, of RGB 0..255: [B, 3, S, S] -> float64 [B, 1, S, S]; grey unchanged.

    The convention of super-resolution. Source: ITU-R BT.601, as MATLAB's rgb2ycbcr, without its rounding.
    """
    values = as_tensor(images, "images").double()
    if values.shape[1] == 1:
        return values
    weights = values.new_tensor(LUMA).view(1, 3, 1, 1) / 255.0
    return 16.0 + (values * weights).sum(1, keepdim=True)


def psnr(first: Array, second: Array) -> Tensor:
    """Peak signal-to-noise ratio of each pair, 10 log10(255^2 / mean squared difference), dB: float64 [B].

    first, second: 0..255, [B, C, S, S]. Equal images get the value of a difference of 1e-10, 148 dB, not infinity.
    Raises EvaluationError for different shapes.
    """
    one, other = _pair(first, second)
    error = (one - other).square().flatten(1).mean(1).clamp_min(1e-10)
    return 10.0 * torch.log10(255.0**2 / error)


def ssim(first: Array, second: Array) -> Tensor:
    """Structural similarity of each pair, 1 = identical: float64 [B].

    The mean over channels and windows of l * cs, as in `ms_ssim` at its first scale: a gaussian window of 11 x 11
    (sigma 1.5), only where it lies inside the image, constants for 0..255.
    Raises EvaluationError for different shapes, and images below 11 pixels.
    Source: Wang et al. 2004, "Image quality assessment", eqs. 13 to 17.
    """
    one, other = _pair(first, second)
    if min(one.shape[-2:]) < WINDOW:
        raise EvaluationError(f"SSIM needs images of at least {WINDOW} pixels, got {tuple(one.shape[-2:])}")
    luminance, contrast = luminance_and_contrast(one, other)
    return (luminance * contrast).mean((1, 2, 3))


def _pair(first: Array, second: Array) -> tuple[Tensor, Tensor]:
    one, other = as_tensor(first, "images").double(), as_tensor(second, "images").double()
    if one.ndim != 4 or one.shape != other.shape:
        raise EvaluationError(
            f"pairs are images [B, C, S, S] of one shape, got {tuple(one.shape)} and {tuple(other.shape)}"
        )
    return one, other
