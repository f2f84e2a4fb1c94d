"""Inpainting: the distance inside a hole, and the part of an image that a local discriminator sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from papergan.game.game import Match
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


def mask_of(inputs: Tensor) -> Tensor:
    """The mask in the last channel of [B, C + 1, S, S]: 1 where pixels are missing, 0 elsewhere: [B, 1, S, S]."""
    return (inputs[:, -1:] > 0).to(inputs.dtype)


def around(images: Tensor, mask: Tensor, side: int) -> Tensor:
    """The square of `side` pixels around the centre of each hole, shifted inwards where it would leave the image.

    images [B, C, S, S], mask [B, 1, S, S] with one hole each -> [B, C, side, side]; reads nothing back from the device.
    """
    size = images.shape[-1]
    corners = []
    for axis in (2, 3):
        there = mask.amax(dim=(1, 5 - axis))  # [B, S]
        first, last = there.argmax(1), size - 1 - there.flip(1).argmax(1)
        corners.append(((first + last + 1 - side) // 2).clamp(0, size - side))
    place = torch.arange(side, device=images.device)
    rows, columns = (corner[:, None] + place for corner in corners)
    batch, channels = images.shape[:2]
    tall = images.gather(2, rows[:, None, :, None].expand(batch, channels, side, size))
    return tall.gather(3, columns[:, None, None, :].expand(batch, channels, side, side))


@dataclass(frozen=True)
class HoleDistance(Term):
    """mean over missing pixels of (G(x) - y)^2, y the whole image. Source: Pathak et al. 2016, eq. 1, normalised."""

    def __call__(self, context: StepContext) -> Tensor:
        real, mask = context.batch[self.match.real], mask_of(context.latent(self.match)[0])
        difference = mask * (context.fake(self.match) - real)
        return difference.square().sum() / (mask.sum() * real.shape[1]).clamp(min=1.0)


@dataclass(frozen=True)
class AroundTheHole:
    """The input of a local discriminator: `side` pixels around the hole, of the real and of the filled image.

    Source: Iizuka et al. 2017, doi:10.1145/3072959.3073659, section 3.3.
    """

    images_per_score: ClassVar[int] = 1

    side: int

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return (around(context.augmented_real(match), mask_of(context.latent(match)[0]), self.side),)

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return (around(context.augmented_fake(match), mask_of(context.latent(match)[0]), self.side),)
