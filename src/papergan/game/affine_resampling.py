"""Resampling of images on an affine grid, differentiable twice in the images.

Gradient penalties through an augmentation need a second derivative, which torch's grid_sample lacks on most devices.
Resampling is linear in the images, so its derivative is its transpose, whose derivative is resampling again.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

_MODES = {"bilinear": 0, "nearest": 1}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}
BYTES_AT_ONCE = 2**28  # of the matrices in `transposed_in_order`, which are processed in parts


def warp(
    images: Tensor,
    affine: Tensor,
    *,
    mode: Literal["bilinear", "nearest"],
    padding: Literal["zeros", "border", "reflection"],
    size: int | None = None,
) -> Tensor:
    """Resample images [B, C, S, S] at an affine map [B, 2, 3] of the output's coordinates; image edges are at -1, 1.

    size: of the output, in pixels; None for the size of the images.
    """
    with torch.autocast(images.device.type, enabled=False):
        grid = _grid(affine.detach(), size or images.shape[2], size or images.shape[3])
        warped: Tensor = _Resample.apply(images.float(), grid, _MODES[mode], _PADDINGS[padding])  # type: ignore[no-untyped-call]
    return warped.to(images.dtype)


def _grid(affine: Tensor, height: int, width: int) -> Tensor:
    """The input coordinates of the output's pixels, [B, H, W, 2].

    torch's affine_grid is a matrix product, which TF32 would round to ten bits.
    """
    down, right = ((torch.arange(n, dtype=affine.dtype, device=affine.device) * 2 + 1) / n - 1 for n in (height, width))
    of_right, of_down, move = affine[:, None, None].unbind(-1)
    return of_right * right[:, None] + of_down * down[:, None, None] + move


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
    """The transpose of the resampling of images of this shape, summed in a fixed order (deterministic).

    torch's kernel adds in any order on a GPU, and raises an error under deterministic algorithms. Here the transpose is
    a product with the matrix of the resampling; each row is the result for an image that is 1 at one pixel and 0
    elsewhere. The product is in float64, so no setting for float32 reduces its precision. Rows and images are processed
    in parts of at most BYTES_AT_ONCE: a whole matrix has 12 S^2 S'^2 bytes, 1.2 GB when ADA resamples 32x32 images.
    """
    count, inputs, outputs = len(gradient), shape[2] * shape[3], grid.shape[1] * grid.shape[2]
    row = 12 * outputs  # bytes: float32, and float64
    rows = min(inputs, max(1, BYTES_AT_ONCE // (row + 4 * inputs)))
    images = max(1, (BYTES_AT_ONCE - 4 * rows * inputs) // (rows * row))
    pixels, transposed = gradient.new_empty(rows, inputs), gradient.new_empty(*shape[:2], inputs)
    for first in range(0, inputs, rows):
        some = pixels.zero_()[: inputs - first]
        some.diagonal(first).fill_(1.0)
        for one in range(0, count, images):
            now = slice(one, one + images)
            spots = some.view(1, -1, *shape[2:]).expand(len(grid[now]), -1, -1, -1)
            matrix = torch.grid_sampler_2d(spots, grid[now], mode, padding, False)
            product = gradient[now].double().flatten(2) @ matrix.double().flatten(2).mT
            transposed[now, :, first : first + rows] = product.to(gradient.dtype)
    return transposed.view(shape)
