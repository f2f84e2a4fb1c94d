"""Convolutions whose weights a style scales for each image (Karras et al. 2020, arXiv:1912.04958)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

Implementation = Literal["scaled", "grouped"]


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """1 / sqrt(sum_ik (s_bi w_oik)^2 + 1e-8): weights [O, I, k, k], styles [B, I] -> [B, O], in float32.

    Source: Karras et al. 2020 (arXiv:1912.04958), eqs. 1 to 3.
    """
    with torch.autocast(weight.device.type, enabled=False):
        return torch.rsqrt(styles.float().square() @ weight.float().square().sum(dim=(2, 3)).t() + 1e-8)


def modulated_convolution(
    x: Tensor, weight: Tensor, styles: Tensor, *, gain: float = 1.0, demodulate: bool = True, up: bool = False,
    implementation: Implementation = "scaled",
) -> Tensor:  # fmt: skip
    """y_bo = gain sum_i w'_boi * x_bi, w'_boik = s_bi w_oik, demodulated w'_boik / sqrt(sum_ik w'_boik^2 + 1e-8).

    x: [B, I, S, S]. weight: [O, I, k, k], k odd. styles: [B, I]. Returns [B, O, S, S]; with `up`, for k = 3, the
    transposed convolution of stride 2, [B, O, 2 S + 1, 2 S + 1], to be blurred. Differentiable any number of times.
    implementation: "scaled" convolves all images with the same weights, and scales maps by s before and by the
    demodulation after it, since both are constant over pixels; "grouped" computes the weights of every image and
    convolves each image with its own. The two agree up to rounding; benchmarks/modulation.py compares their cost.
    """
    if implementation == "grouped":
        own = weight[None] * (gain * styles)[:, None, :, None, None]  # [B, O, I, k, k]
        if demodulate:
            own = own * demodulation(weight, styles)[:, :, None, None, None]
        return _each_by_its_own(x, own, up)
    out = _convolved(x * styles.to(x.dtype)[:, :, None, None], weight, up)
    if demodulate:
        return out * (gain * demodulation(weight, styles)).to(out.dtype)[:, :, None, None]
    return out if gain == 1.0 else out * gain


def _convolved(x: Tensor, weight: Tensor, up: bool, groups: int = 1) -> Tensor:
    """weight: [O, I, k, k] for one group; for several, [groups * O, I, k, k], or [groups * I, O, k, k] if `up`."""
    if not up:
        return conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)
    return conv_transpose2d(x, weight.transpose(0, 1) if groups == 1 else weight, stride=2, groups=groups)


def _each_by_its_own(x: Tensor, weights: Tensor, up: bool) -> Tensor:
    """Convolve image b with weights b, [B, O, I, k, k], as groups of one convolution."""
    count = len(x)
    if count == 1:
        return _convolved(x, weights[0], up)
    own = (weights.transpose(1, 2) if up else weights).flatten(0, 1)
    out = _convolved(x.reshape(1, -1, *x.shape[2:]), own, up, groups=count)
    return out.view(count, -1, *out.shape[2:])
