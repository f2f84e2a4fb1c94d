"""Growth: the level of networks that grow, as a schedule, and what a network at a level has to know.

Source: Karras et al. 2018 (arXiv:1710.10196), section 2 and appendix A, and the authors' code.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from papergan.game.following import FollowsProgress
from papergan.game.schedules import Progress

SMALLEST = 4  # pixels, the images of level 0


@dataclass(frozen=True)
class Growth:
    """The level of networks that grow, by real images seen: `stable` at each level, `fade` on the way to the next.

    From `first` to `last`, where it stays; a whole number while stable, a fraction in between. Without images for
    either it is `last` from the beginning.
    """

    first: int
    last: int
    stable: int
    fade: int

    def __post_init__(self) -> None:
        if self.first > self.last or min(self.first, self.stable, self.fade) < 0:
            raise ValueError(
                f"networks grow from a level of 0 or more to one not below it, by 0 images or more, got levels "
                f"{self.first} to {self.last}, {self.stable} images stable and {self.fade} in a fade"
            )

    def __call__(self, progress: Progress) -> float:
        if not self.stable + self.fade:
            return float(self.last)
        grown, seen = divmod(progress.images, self.stable + self.fade)
        share = (seen - self.stable) / self.fade if seen > self.stable else 0.0
        return min(self.first + grown + share, float(self.last))


@dataclass(frozen=True)
class RateByLevel:
    """A learning rate for each level of a growth, from its first on; in a fade that of the level that fades in."""

    growth: Growth
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != (levels := self.growth.last - self.growth.first + 1):
            raise ValueError(f"learning rates by size: expected one for each of {levels}, got {len(self.values)}")

    def __call__(self, progress: Progress) -> float:
        return self.values[math.ceil(self.growth(progress)) - self.growth.first]


class Growing(FollowsProgress, nn.Module):
    """A network at a level: n for images of 4 * 2^n pixels alone, n + alpha while those of level n + 1 fade in.

    The layers of all levels exist from the beginning; those that are not in use get no gradient. Images that enter or
    leave the network have the full size always, those of a lower level upsampled by nearest neighbour, so that what is
    outside need not know of levels. The level is a number of the host, since the computation branches on it; a buffer
    stores it with the weights, so that a checkpoint, an average and an exported generator know theirs.
    """

    stored_level: Tensor

    def __init__(self, growth: Growth) -> None:
        super().__init__()
        self.growth, self.level = growth, _rounded(growth(Progress()))
        self.register_buffer("stored_level", torch.tensor(self.level, dtype=torch.float32))
        self.register_load_state_dict_post_hook(_read_level)  # type: ignore[no-untyped-call]

    def set_progress(self, progress: Progress) -> float:
        """Go to the level of this progress, which is returned; see `FollowsProgress`."""
        self.set_level(self.growth(progress))
        return self.level

    def report(self) -> dict[str, float]:
        """The level."""
        return {"level": self.level}

    def set_level(self, level: float) -> None:
        """Go to a level. Raises ValueError for one that the network does not have."""
        if not 0 <= level <= self.growth.last:
            raise ValueError(f"expected a level in 0..{self.growth.last}, got {level:g}")
        if (level := _rounded(level)) != self.level:
            self.level = level
            self.stored_level.fill_(level)

    @property
    def stage(self) -> int:
        """The level of the largest images in use, those that fade in while any do."""
        return math.ceil(self.level)

    @property
    def alpha(self) -> float:
        """The share of the largest images in use, in (0, 1]."""
        return self.level - self.stage + 1

    @property
    def factor(self) -> int:
        """The pixels of the full size across one of the largest images in use."""
        return int(2 ** (self.growth.last - self.stage))

    def blended(self, images: Tensor) -> Tensor:
        """Real images as they are at this level, [B, C, S, S] of the full size: averaged, and in a fade blended.

        (1 - alpha) of the images at half the resolution, alpha of those at the resolution of this stage.
        """
        images = pooled(images, self.factor)
        if self.alpha < 1:
            images = fade(upsampled(pooled(images, 2), 2), images, self.alpha)
        return upsampled(images, self.factor)


def _rounded(level: float) -> float:
    """A level as a float32, which the buffer gives back to the last bit."""
    return float(struct.unpack("f", struct.pack("f", level))[0])


def _read_level(network: nn.Module, keys: object) -> None:
    assert isinstance(network, Growing)
    network.level = network.stored_level.item()


def last_level(size: int) -> int:
    """The level of images of this size. Raises ValueError where it is not 4 times a power of 2."""
    level = size.bit_length() - SMALLEST.bit_length()
    if level < 0 or SMALLEST << level != size:
        raise ValueError(f"images that grow need a size of {SMALLEST} times a power of 2, got {size}")
    return level


def fade(low: Tensor, high: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) low + alpha high, exactly the one at alpha 0 and the other at 1."""
    return torch.lerp(low, high, alpha)


def pooled(images: Tensor, factor: int) -> Tensor:
    """Means of squares of pixels: [B, C, S, S] -> [B, C, S / factor, S / factor]."""
    return images if factor == 1 else avg_pool2d(images, factor)


def upsampled(images: Tensor, factor: int) -> Tensor:
    """Squares of equal pixels, by nearest neighbour: [B, C, S, S] -> [B, C, factor S, factor S]."""
    return images if factor == 1 else interpolate(images, scale_factor=factor)
