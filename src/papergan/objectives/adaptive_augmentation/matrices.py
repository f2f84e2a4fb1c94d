"""Random transformations of images as matrices: of coordinates, and of colours.

Source: Karras et al. 2020, arXiv:2006.06676, appendix B, with its distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from papergan.game.sharding import per_image


class Draws:
    """Random numbers of one call, [B] each; where a transformation is not applied, its identity value is used."""

    def __init__(self, images: Tensor, p: Tensor) -> None:
        self.count, self.size, self.p, self.images = len(images), images.shape[-1], p, images

    def uniform(self) -> Tensor:
        return self._numbers(torch.rand)

    def normal(self) -> Tensor:
        return self._numbers(torch.randn)

    def where(self, drawn: Tensor, identity: float, probability: Tensor | None = None) -> Tensor:
        """`drawn` with probability p (or another), `identity` otherwise."""
        return torch.where(self.uniform() < (self.p if probability is None else probability), drawn, identity)

    def _numbers(self, kind: Callable[..., Tensor]) -> Tensor:
        like = {"device": self.images.device, "dtype": self.images.dtype}
        return per_image(lambda count: kind(count, **like), self.count)


def _matrix(draw: Draws, rows: list[list[Tensor | float]]) -> Tensor:
    zero = torch.zeros(draw.count, device=draw.images.device, dtype=draw.images.dtype)
    return torch.stack([torch.stack([zero + cell for cell in row], dim=-1) for row in rows], dim=-2)


def product(left: Tensor, right: Tensor) -> Tensor:
    """The product of small matrices [B, N, N], without a matrix-product kernel, which TF32 may round."""
    return (left[..., :, :, None] * right[..., None, :, :]).sum(dim=-2)


# Geometry: matrices from output to input coordinates, the image in [-1, 1].


def _flip(draw: Draws) -> Tensor:
    sign = 1.0 - 2.0 * draw.where((draw.uniform() * 2).floor(), 0.0)
    return _matrix(draw, [[sign, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _turned(draw: Draws, angle: Tensor) -> Tensor:
    cosine, sine = angle.cos(), angle.sin()
    return _matrix(draw, [[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _quarter_turns(draw: Draws) -> Tensor:
    return _turned(draw, draw.where((draw.uniform() * 4).floor(), 0.0) * (math.pi / 2))


def _moved(draw: Draws, right: Tensor, down: Tensor) -> Tensor:
    """A shift by this many pixels."""
    share = 2.0 / draw.size
    return _matrix(draw, [[1.0, 0.0, -share * right], [0.0, 1.0, -share * down], [0.0, 0.0, 1.0]])


def _whole_pixels(draw: Draws) -> Tensor:
    reach, apply = 0.125 * draw.size, draw.where(torch.ones_like(draw.uniform()), 0.0)
    right, down = (((draw.uniform() * 2 - 1) * reach).round() * apply for _ in range(2))
    return _moved(draw, right, down)


def _scale(draw: Draws) -> Tensor:
    factor = draw.where(torch.exp2(-0.2 * draw.normal()), 1.0)
    return _matrix(draw, [[factor, 0.0, 0.0], [0.0, factor, 0.0], [0.0, 0.0, 1.0]])


def _rotation(draw: Draws) -> Tensor:
    """A rotation before and after the stretch, each with probability 1 - sqrt(1 - p), so that both together have p."""
    each = 1.0 - (1.0 - draw.p).sqrt()
    return _turned(draw, draw.where((draw.uniform() * 2 - 1) * math.pi, 0.0, each))


def _stretch(draw: Draws) -> Tensor:
    factor = draw.where(torch.exp2(-0.2 * draw.normal()), 1.0)
    return _matrix(draw, [[factor, 0.0, 0.0], [0.0, 1.0 / factor, 0.0], [0.0, 0.0, 1.0]])


def _shift(draw: Draws) -> Tensor:
    apply = draw.where(torch.ones_like(draw.uniform()), 0.0)
    right, down = (0.125 * draw.size * draw.normal() * apply for _ in range(2))
    return _moved(draw, right, down)


GEOMETRY: dict[str, Callable[[Draws], Tensor]] = {
    "flip": _flip, "quarter_turns": _quarter_turns, "whole_pixels": _whole_pixels, "scale": _scale,
    "rotation": _rotation, "stretch": _stretch, "second_rotation": _rotation, "shift": _shift,
}  # fmt: skip


# Colour: matrices [B, 4, 4] on (red, green, blue, 1).


def _brightness(draw: Draws) -> Tensor:
    by = draw.where(0.2 * draw.normal(), 0.0)
    return _matrix(
        draw, [[1.0, 0.0, 0.0, by], [0.0, 1.0, 0.0, by], [0.0, 0.0, 1.0, by], [0.0, 0.0, 0.0, 1.0]]
    )  # fmt: skip


def _contrast(draw: Draws) -> Tensor:
    by = draw.where(torch.exp2(0.5 * draw.normal()), 1.0)
    return _matrix(
        draw, [[by, 0.0, 0.0, 0.0], [0.0, by, 0.0, 0.0], [0.0, 0.0, by, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )  # fmt: skip


def _luma_flip(draw: Draws) -> Tensor:
    """I - 2 v v^T where drawn, v the grey axis."""
    by = draw.where((draw.uniform() * 2).floor(), 0.0)
    return torch.eye(4, device=by.device, dtype=by.dtype) - 2.0 * by[:, None, None] * _grey(draw)


def _hue(draw: Draws) -> Tensor:
    """A rotation about the grey axis, by Rodrigues' formula."""
    angle = draw.where((draw.uniform() * 2 - 1) * math.pi, 0.0)
    cosine, sine, v = angle.cos(), angle.sin() / math.sqrt(3.0), (1.0 - angle.cos()) / 3.0
    a, b, c = cosine + v, v - sine, v + sine
    return _matrix(draw, [[a, b, c, 0.0], [c, a, b, 0.0], [b, c, a, 0.0], [0.0, 0.0, 0.0, 1.0]])


def _saturation(draw: Draws) -> Tensor:
    by = draw.where(torch.exp2(draw.normal()), 1.0)[:, None, None]
    grey = _grey(draw)
    whole = torch.eye(4, device=grey.device, dtype=grey.dtype)
    colours = whole.clone()
    colours[3, 3].fill_(0.0)
    return grey + (colours - grey) * by + (whole - colours)


def _grey(draw: Draws) -> Tensor:
    """The projection on the grey axis, [4, 4]."""
    grey = torch.full((4, 4), 1.0 / 3.0, device=draw.images.device, dtype=draw.images.dtype)
    grey[3].fill_(0.0)
    grey[:, 3].fill_(0.0)
    return grey


COLOUR: dict[str, Callable[[Draws], Tensor]] = {
    "brightness": _brightness, "contrast": _contrast, "luma_flip": _luma_flip, "hue": _hue, "saturation": _saturation,
}  # fmt: skip


def recoloured(images: Tensor, matrices: Tensor) -> Tensor:
    """Transform colours [B, 3, S, S] by [B, 4, 4]; one channel becomes the mean of changed grey, as in the paper."""
    if images.shape[1] == 1:
        grey = matrices[:, :3].mean(dim=1)
        return images * grey[:, :3].sum(dim=1)[:, None, None, None] + grey[:, 3][:, None, None, None]
    flat = torch.einsum("bij,bjn->bin", matrices[:, :3, :3], images.flatten(2)) + matrices[:, :3, 3:]
    return flat.view_as(images)


def cut_out(draw: Draws) -> Tensor:
    """Set a square of half the size to 0 (mid-grey), its centre anywhere."""
    size, images = draw.size, draw.images
    pixels = (torch.arange(size, device=images.device, dtype=images.dtype) + 0.5) / size
    half = 0.25 * draw.where(torch.ones_like(draw.uniform()), 0.0)
    right, down = ((pixels - draw.uniform()[:, None]).abs() < half[:, None] for _ in range(2))
    return images.masked_fill((down[:, None, :, None] & right[:, None, None, :]), 0.0)
