"""fingerprints_synthetic: fingerprints drawn by formula, in place of a data set that cannot be redistributed.

An orientation field with the singular points of one of five patterns, and ridges that grow along it out of noise, made
as in Cappelli, Erol, Maio and Maltoni 2000 (ICPR, "Synthetic fingerprint-image generation"):

    orientation   1/2 [sum over cores arg(z - c) - sum over deltas arg(z - d)], z = x + i y
                  (Sherlock and Monro 1993); for an arch atan(a sin(pi x)) below, which has no singular points
    ridges        noise, filtered a few times by the Gabor filter of each pixel's orientation and of one ridge period,
                  limited by tanh after each time
    print         a soft ellipse of contact, pressure that varies, grain of paper and sensor

Every image is a pure function of (seed, split, index); its pattern is index mod 5. It is the same on every machine up
to rounding; `ImageSet.digest` shows whether it is identical.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from papergan.data.drawn.shapes import check_draw
from papergan.data.images import ImageSet
from papergan.randomness import seed_for

SIZE = 64
CLASSES = ("arch", "left_loop", "right_loop", "whorl", "double_loop")
DIRECTIONS = 24  # of the Gabor filters; others are rounded to these
ROUNDS = 6
REACH = 7  # half the side of a filter, pixels
PERIOD = (4.5, 6.5)  # pixels from ridge to ridge, at 64x64


def synthetic_fingerprints(split: Literal["train", "test"], count: int, seed: int = 0) -> ImageSet:
    """`count` grey images 64x64, dark ridges on white. Raises DataError for another split or a negative count."""
    check_draw("fingerprints_synthetic", split, count, SIZE**2)
    images = [_drawn(i, split, seed) for i in range(count)]
    pixels = torch.stack(images) if images else torch.empty(0, 1, SIZE, SIZE, dtype=torch.uint8)
    return ImageSet(f"fingerprints_synthetic/{split}", pixels, torch.arange(count) % len(CLASSES), CLASSES)


def _drawn(index: int, split: str, seed: int) -> Tensor:
    """uint8 [1, 64, 64]."""
    draw = torch.Generator().manual_seed(seed_for(seed, f"fingerprint {split}", index))

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=draw, dtype=torch.float64))

    theta = orientation(CLASSES[index % len(CLASSES)], between)
    ridges = _grown(torch.randn(SIZE, SIZE, generator=draw, dtype=torch.float64), theta, between(*PERIOD))
    y, x = torch.meshgrid(_axis(), _axis(), indexing="ij")
    edge = ((x - between(-0.1, 0.1)) / between(0.75, 0.95)) ** 2 + ((y - between(-0.1, 0.1)) / between(0.85, 1.1)) ** 2
    contact = torch.sigmoid((1.0 - edge) * between(8.0, 16.0))
    pressure = 1.0 + between(-0.3, 0.3) * x + between(-0.3, 0.3) * y
    ink = torch.sigmoid(6.0 * ridges * pressure + between(-1.0, 1.0)) * contact
    grain = 0.04 * torch.randn(SIZE, SIZE, generator=draw, dtype=torch.float64)
    values = 255.0 * (1.0 - 0.9 * ink + grain).clamp(0.0, 1.0)
    return values.round().to(torch.uint8)[None]


def orientation(pattern: str, between: Callable[[float, float], float]) -> Tensor:
    """Direction of the ridges in radians, y pointing down, float64 [64, 64]. between: draws from an interval."""
    y, x = torch.meshgrid(_axis(), _axis(), indexing="ij")
    if pattern == "arch":
        height = between(0.5, 1.1)
        return torch.atan(height * torch.sin(math.pi * (x + between(-0.1, 0.1))) * torch.sigmoid(3.0 * (y + 0.4)))
    side = {"left_loop": -1.0, "right_loop": 1.0}.get(pattern, 0.0)
    apart = between(0.15, 0.3) if pattern == "whorl" else between(0.35, 0.5) if pattern == "double_loop" else 0.0
    middle = between(-0.1, 0.1), between(-0.25, 0.0)
    slant = 0.5 * apart if pattern == "double_loop" else 0.0
    cores = [(middle[0] + side * 0.05, middle[1])] if side else [
        (middle[0] - slant, middle[1] - apart / 2), (middle[0] + slant, middle[1] + apart / 2),
    ]  # fmt: skip
    low = between(0.6, 0.9)
    deltas = [(-side * between(0.5, 0.8), low)] if side else [(-between(0.7, 0.9), low), (between(0.7, 0.9), low)]
    theta = torch.zeros(SIZE, SIZE, dtype=torch.float64)
    for points, sign in ((deltas, 1.0), (cores, -1.0)):
        for px, py in points:
            theta = theta + sign * torch.atan2(-(y - py), x - px)
    return 0.5 * theta


def _grown(noise: Tensor, theta: Tensor, period: float) -> Tensor:
    """Ridges in [-1, 1] along theta, by filtering noise repeatedly."""
    bank = _bank(period)
    which = (theta / math.pi * DIRECTIONS).round().long() % DIRECTIONS
    ridges = noise[None, None]
    for _ in range(ROUNDS):
        filtered = conv2d(pad(ridges, (REACH,) * 4, mode="reflect"), bank)
        ridges = torch.tanh(2.5 * filtered.gather(1, which[None, None]))
    return ridges[0, 0]


def _bank(period: float) -> Tensor:
    """One Gabor filter for each direction along a ridge, [DIRECTIONS, 1, 2 R + 1, 2 R + 1]; mean 0, absolute sum 2."""
    places = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    y, x = torch.meshgrid(places, places, indexing="ij")
    angles = torch.arange(DIRECTIONS, dtype=torch.float64)[:, None, None] * math.pi / DIRECTIONS
    across = -x * angles.sin() + y * angles.cos()
    window = torch.exp(-(x**2 + y**2) / (2.0 * (0.55 * period) ** 2))
    waves = torch.cos(2.0 * math.pi * across / period) * window
    waves = waves - window * (waves.sum((1, 2)) / window.sum())[:, None, None]
    return (waves / waves.abs().sum((1, 2), keepdim=True))[:, None] * 2.0


def _axis() -> Tensor:
    """Pixel centres from -1 to 1."""
    return (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE * 2.0 - 1.0
