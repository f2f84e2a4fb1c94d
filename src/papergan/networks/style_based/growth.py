"""Progressive growing: the level as a schedule, and the base class of networks that have a level.

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

SMALLEST = 4  # side of the images of level 0, in pixels


@dataclass(frozen=True)
class Growth:
    """The level of growing networks, by real images seen: `stable` images at each level, `fade` between two levels.

    From `first` to `last`, where it stays; a whole number while stable, a fraction in between. If both `stable` and
    `fade` are 0, it is `last` from the beginning.
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
    """A learning rate for each level of a growth, from its first on; in a fade, the rate of the level fading in."""

    growth: Growth
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != (levels := self.growth.last - self.growth.first + 1):
            raise ValueError(f"learning rates by size: expected one for each of {levels}, got {len(self.values)}")

    def __call__(self, progress: Progress) -> float:
        return self.values[math.ceil(self.growth(progress)) - self.growth.first]


class Growing(FollowsProgress, nn.Module):
    """A network at a level: n for images of 4 * 2^n pixels alone, n + alpha while level n + 1 fades in.

    The layers of all levels exist from the beginning; unused ones get no gradient. Images that enter or leave the
    network always have the full size, upsampled by nearest neighbour at lower levels, so that other code need not know
    about levels. The level is kept on the host, since the computation branches on it; a buffer stores it with the
    weights, so that checkpoints, averages and exported generators include it.
    """

    stored_level: Tensor

    def __init__(self, growth: Growth) -> None:
        super().__init__()
        self.growth, self.level = growth, _rounded(growth(Progress()))
        self.register_buffer("stored_level", torch.tensor(self.level, dtype=torch.float32))
        self.register_load_state_dict_post_hook(_read_level)  # type: ignore[no-untyped-call]

    def set_progress(self, progress: Progress) -> float:
        """Set and return the level of this progress; see `FollowsProgress`."""
        self.set_level(self.growth(progress))
        return self.level

    def report(self) -> dict[str, float]:
        """The level."""
        return {"level": self.level}

    def set_level(self, level: float) -> None:
        """Set the level. Raises ValueError for a level that the network does not have."""
        if not 0 <= level <= self.growth.last:
            raise ValueError(f"expected a level in 0..{self.growth.last}, got {level:g}")
        if (level := _rounded(level)) != self.level:
            self.level = level
            self.stored_level.fill_(level)

    @property
    def stage(self) -> int:
        """The level of the largest images in use, including those that fade in."""
        return math.ceil(self.level)

    @property
    def alpha(self) -> float:
        """The blending weight of the largest images in use, in (0, 1]."""
        return self.level - self.stage + 1

    @property
    def factor(self) -> int:
        """The full size divided by the size of the largest images in use."""
        return int(2 ** (self.growth.last - self.stage))

    def blended(self, images: Tensor) -> Tensor:
        """Real images as seen at this level, [B, C, S, S] of the full size: averaged, and in a fade blended.

        The blend is (1 - alpha) of the images at half the resolution, alpha of those at this stage's resolution.
        """
        images = pooled(images, self.factor)
        if self.alpha < 1:
            images = fade(upsampled(pooled(images, 2), 2), images, self.alpha)
        return upsampled(images, self.factor)


def _rounded(level: float) -> float:
    """A level rounded to float32, which the buffer stores exactly."""
    return float(struct.unpack("f", struct.pack("f", level))[0])


def _read_level(network: nn.Module, keys: object) -> None:
    assert isinstance(network, Growing)
    network.level = network.stored_level.item()


def last_level(size: int) -> int:
    """The level of images of this size. Raises ValueError if the size is not 4 times a power of 2."""
    level = size.bit_length() - SMALLEST.bit_length()
    if level < 0 or SMALLEST << level != size:
        raise ValueError(f"images that grow need a size of {SMALLEST} times a power of 2, got {size}")
    return level


def fade(low: Tensor, high: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) low + alpha high, exactly `low` at alpha 0 and `high` at 1."""
    return torch.lerp(low, high, alpha)


def pooled(images: Tensor, factor: int) -> Tensor:
    """Average pooling over factor x factor blocks: [B, C, S, S] -> [B, C, S / factor, S / factor]."""
    return images if factor == 1 else avg_pool2d(images, factor)


def upsampled(images: Tensor, factor: int) -> Tensor:
    """Nearest-neighbour upsampling: [B, C, S, S] -> [B, C, factor S, factor S]."""
    return images if factor == 1 else interpolate(images, scale_factor=factor)
