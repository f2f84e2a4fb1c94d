"""Degradations that turn images into inputs of a translation that is to restore them. uint8 [N, C, S, S] in and out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from papergan.data.sobel import LUMINANCE, sobel
from papergan.image_range import to_model_range, to_pixels

BATCH = 4096  # images at once, which bounds the memory of intermediate results


def downsampled(images: Tensor, factor: int) -> Tensor:
    """[N, C, H / factor, W / factor]: bicubic with antialiasing, rounded; the field's usual way to lower resolution.

    Raises ValueError if a side is not a multiple of `factor`.
    """
    height, width = images.shape[-2:]
    for size in (height, width):
        if size % factor:
            raise ValueError(
                f"images of {size} pixels cannot be downsampled by {factor}: it is not a divisor of {size}"
            )
    return torch.cat([resampled(part, (height // factor, width // factor)) for part in torch.split(images, BATCH)])


def resampled(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """Bicubic resampling to another height and width, with antialiasing, rounded: [B, C, *shape]."""
    scaled = interpolate(images.float(), shape, mode="bicubic", antialias=True, align_corners=False)
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def grey(images: Tensor) -> Tensor:
    """[N, 1, S, S]: the luminance of ITU-R BT.601, rounded; grey images as they are."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(LUMINANCE, dtype=torch.float32).view(1, 3, 1, 1)
    parts = [(part.float() * weights).sum(1, keepdim=True) for part in torch.split(images, BATCH)]
    return torch.cat([part.round_().clamp_(0, 255).to(torch.uint8) for part in parts])


def edges(images: Tensor) -> Tensor:
    """[N, 1, S, S]: the Sobel magnitude of the luminance, black on white; an edge from black to white is black."""
    return torch.cat([to_pixels((1.0 - sobel(to_model_range(p))).clamp_(-1, 1)) for p in torch.split(images, BATCH)])


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of this standard deviation in pixels, cut off at three of them, borders mirrored, rounded."""
    reach = min(max(1, round(3 * sigma)), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)

    def smoothed(part: Tensor) -> Tensor:
        mirrored = pad(part.float(), (reach,) * 4, mode="reflect")
        across = conv2d(mirrored, kernel, groups=part.shape[1])
        return conv2d(across, kernel.transpose(2, 3), groups=part.shape[1]).round_().clamp_(0, 255).to(torch.uint8)

    return torch.cat([smoothed(part) for part in torch.split(images, BATCH)])


def noisy(images: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of this standard deviation, in grey levels of 255; rounded and clipped."""
    parts = []
    for part in torch.split(images, BATCH):
        noise = torch.randn(part.shape, generator=generator) * deviation
        parts.append((part.float() + noise).round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(parts)


def masked(images: Tensor, hole: int, generator: torch.Generator | None) -> Tensor:
    """[N, C + 1, S, S]: a square of `hole` pixels is grey (128), and the last channel, the mask, is 255 there.

    generator: draws the hole's place in each image; None = the centre. Raises ValueError if the hole is not below S.
    """
    count, _, _, size = images.shape
    if hole >= size:
        raise ValueError(f"a hole of {hole} pixels leaves nothing of images of {size} pixels; give a smaller one")
    if generator is None:
        corners = torch.full((count, 2), (size - hole) // 2)
    else:
        corners = torch.randint(size - hole + 1, (count, 2), generator=generator)
    place = torch.arange(size)
    inside = (place >= corners[..., None]) & (place < corners[..., None] + hole)  # [N, 2, S]: rows, columns
    mask = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
    shown = torch.where(mask, images.new_tensor(128), images)
    return torch.cat([shown, mask.to(torch.uint8) * 255], dim=1)
