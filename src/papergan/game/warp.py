"""Resampling of images on an affine grid, differentiable twice in the images.

torch's grid_sample has no second derivative on most devices, which gradient penalties through an augmentation need.
Resampling is linear in the images, so its derivative is its transpose and the derivative of that is resampling again.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

_MODES = {"bilinear": 0, "nearest": 1}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def warp(
    images: Tensor,
    affine: Tensor,
    *,
    mode: Literal["bilinear", "nearest"],
    padding: Literal["zeros", "border", "reflection"],
) -> Tensor:
    """Resample images [B, C, S, S] at affine [B, 2, 3] of the output's coordinates; image edges are at -1, 1."""
    with torch.autocast(images.device.type, enabled=False):
        grid = torch.nn.functional.affine_grid(affine.detach(), list(images.shape), align_corners=False)
        warped: Tensor = _Resample.apply(images.float(), grid, _MODES[mode], _PADDINGS[padding])  # type: ignore[no-untyped-call]
    return warped.to(images.dtype)


class _Resample(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, images: Tensor, grid: Tensor, mode: int, padding: int) -> Tensor:
        context.save_for_backward(grid)
        context.how = (images.shape, mode, padding)
        return torch.grid_sampler_2d(images, grid, mode, padding, False)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        (grid,) = context.saved_tensors
        transposed: Tensor = _Transpose.apply(gradient, grid, *context.how)  # type: ignore[no-untyped-call]
        return transposed, None, None, None


class _Transpose(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, gradient: Tensor, grid: Tensor, shape: torch.Size, mode: int, padding: int) -> Tensor:
        context.save_for_backward(grid)
        context.how = (mode, padding)
        anything = gradient.new_empty(shape)  # only its shape is read: the derivative does not depend on the images
        transposed, _ = torch.ops.aten.grid_sampler_2d_backward(
            gradient.contiguous(), anything, grid, mode, padding, False, [True, False]
        )
        return transposed  # type: ignore[no-any-return]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:  # type: ignore[override]
        (grid,) = context.saved_tensors
        resampled: Tensor = _Resample.apply(gradient, grid, *context.how)  # type: ignore[no-untyped-call]
        return resampled, None, None, None, None
