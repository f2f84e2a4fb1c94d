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
_IMAGES_AT_ONCE = 16  # whose matrices are held, 12 S^4 bytes each: 200 MB for 32x32 pixels


def warp(
    images: Tensor,
    affine: Tensor,
    *,
    mode: Literal["bilinear", "nearest"],
    padding: Literal["zeros", "border", "reflection"],
    size: int | None = None,
) -> Tensor:
    """Resample images [B, C, S, S] at affine [B, 2, 3] of the output's coordinates; image edges are at -1, 1.

    size: of the output, pixels; None for that of the images.
    """
    with torch.autocast(images.device.type, enabled=False):
        shape = list(images.shape if size is None else (*images.shape[:2], size, size))
        grid = torch.nn.functional.affine_grid(affine.detach(), shape, align_corners=False)
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
        if gradient.is_cuda and torch.are_deterministic_algorithms_enabled():
            return transposed_in_order(gradient, grid, shape, mode, padding)
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


def transposed_in_order(gradient: Tensor, grid: Tensor, shape: torch.Size, mode: int, padding: int) -> Tensor:
    """The transpose of the resampling of images of this shape, each sum in an order that never changes.

    torch's kernel adds in any order on a GPU, and refuses where that is forbidden. Here it is a product with the matrix
    of the resampling, whose rows are what becomes of an image that is 1 at one pixel and 0 elsewhere. The product is
    in float64, so that no switch for float32 takes digits from it.
    """
    count = shape[2] * shape[3]
    pixels = torch.eye(count, dtype=gradient.dtype, device=gradient.device).view(1, count, *shape[2:])
    parts = []
    for some, where in zip(torch.split(gradient, _IMAGES_AT_ONCE), torch.split(grid, _IMAGES_AT_ONCE), strict=True):
        matrix = torch.grid_sampler_2d(pixels.expand(len(some), -1, -1, -1), where, mode, padding, False)
        parts.append(torch.einsum("bcij,bpij->bcp", some.double(), matrix.double()))
    return torch.cat(parts).view(shape).to(gradient.dtype)
