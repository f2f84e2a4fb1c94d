"""synthetic_shapes: ten kinds of shapes, drawn by formula, for tests and demonstrations without a download.

Every image is a pure function of (seed, split, index). Its class is index mod 10, so classes are balanced and each
class is one known mode. The following vary, each independently and, except for angles, uniformly:

    colour      shape and ground have hues at least a third of the circle apart, one bright (value 0.75..1), one
                dark (0.15..0.45); which of the two is the shape is a coin toss
    ground      its brightness falls by up to 30 % along a random direction
    position    centre within 5 pixels of the middle, in x and in y
    scale       radius 7..11 pixels; stripes are 6..12 pixels per period, checkerboard fields 4..8
    rotation    any angle for square, triangle, cross and star; stripes and checkerboard only shift

Edges are antialiased: coverage of a pixel = clip(1/2 - signed distance in pixels, 0, 1).
The same bytes on every machine: only +, -, *, /, sqrt, comparisons and rounding in float64, all exactly defined by
IEEE 754; no sine, no exponential, no reduction whose order could differ; random numbers from integer hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from papergan.data.drawn.polygons import CROSS, SQUARE, STAR, TRIANGLE, polygon_distance
from papergan.data.images import ImageSet
from papergan.data.memory import check_memory
from papergan.errors import DataError

Array = NDArray[np.float64]
Draw = Callable[[int, Array], NDArray[np.uint8]]
SIZE = 32
_SPLITS = {"train": 1, "test": 2}
_CHUNK = 500
_DRAWS = 16


def synthetic_shapes(split: Literal["train", "test"], count: int, seed: int = 0) -> ImageSet:
    """`count` RGB images 32x32 of the ten classes; a smaller count is a prefix of a larger one.

    Train and test draw from different random streams. Raises DataError for an unknown split or a negative count.
    """
    return draw_balanced("synthetic_shapes", split, count, seed, CLASSES, 3, _draw)


def draw_balanced(
    name: str, split: str, count: int, seed: int, classes: tuple[str, ...], channels: int, draw: Draw
) -> ImageSet:
    """`count` images of `classes` in turn. draw: (class number, [N, draws] in [0, 1)) -> uint8 [N, channels, S, S].

    Raises DataError for an unknown split or a negative count.
    """
    check_draw(name, split, count, channels * SIZE**2)
    index = np.arange(count)
    images = np.empty((count, channels, SIZE, SIZE), np.uint8)
    for label in range(len(classes)):
        members = index[label :: len(classes)]
        for chunk in np.split(members, range(_CHUNK, len(members), _CHUNK)):
            images[chunk] = draw(label, _uniform(seed, _SPLITS[split], chunk))
    labels = torch.from_numpy(index % len(classes))
    return ImageSet(f"{name}/{split}", torch.from_numpy(images), labels.long(), classes)


def check_draw(name: str, split: str, count: int, image_bytes: int) -> None:
    """Raise DataError for an unknown split, a negative count, and more images than memory holds."""
    if split not in _SPLITS or count < 0:
        raise DataError(f"{name}: expected 'train' or 'test' and a count >= 0, got {split!r} and {count}")
    check_memory(f"{name}, {count} images,", count * image_bytes, "declare fewer")


def _uniform(seed: int, stream: int, index: NDArray[np.int64]) -> Array:
    """[N, draws] numbers in [0, 1), each a hash of (seed, stream, index, draw): Steele et al. 2014, SplitMix64."""
    key = _mix(np.uint64(seed % 2**64) + _mix(np.full(1, stream, np.uint64)))
    per_image = _mix(key + _mix(index.astype(np.uint64)))
    per_draw = _mix(per_image[:, None] + np.arange(1, _DRAWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (per_draw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, modulo 2^64; one step of the counter first, so that 0 does not map to 0."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _draw(label: int, u: Array) -> NDArray[np.uint8]:
    """Images of one class, [N, 3, S, S]. u: [N, draws] in [0, 1)."""
    axis: Array = np.arange(SIZE, dtype=np.float64) + (0.5 - SIZE / 2)
    x = axis[None, None, :] - spread(u[:, 0], -5, 5)
    y = axis[None, :, None] - spread(u[:, 1], -5, 5)
    coverage: Array = _COVERAGES[CLASSES[label]](x, y, u)[:, None]
    shape, ground = _colours(u)
    shaded: Array = ground * _shade(axis, u)
    return to_bytes(shaded * (1 - coverage) + shape * coverage)


def to_bytes(colour: Array) -> NDArray[np.uint8]:
    """0..1 -> 0..255, rounded."""
    return np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def spread(u: Array, low: float, high: float) -> Array:
    """[N] in [0, 1) -> [N, 1, 1] in [low, high)."""
    return (low + u * (high - low))[:, None, None]


def _direction(u: Array) -> tuple[Array, Array]:
    """[N] in [0, 1) -> (cosine, sine), each [N, 1, 1], around the full circle, not quite uniformly.

    The rational parametrisation of a quarter turn, ((1 - t^2), 2t) / (1 + t^2), then 0 to 3 quarter turns: no sine.
    """
    quarter = np.floor(u * 4)
    t = u * 4 - quarter
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    odd, back = quarter % 2 == 1, quarter >= 2
    cosine, sine = np.where(odd, -sine, cosine), np.where(odd, cosine, sine)
    sign = np.where(back, -1.0, 1.0)
    return (cosine * sign)[:, None, None], (sine * sign)[:, None, None]


def _shade(axis: Array, u: Array) -> Array:
    """Brightness of the ground, [N, 1, S, S] in 0.7..1: a slope along a random direction."""
    cosine, sine = _direction(u[:, 2])
    slope = (axis[None, None, :] * cosine + axis[None, :, None] * sine) / (SIZE * 1.5) + 0.5
    return (1 - spread(u[:, 3], 0, 0.3) * np.clip(slope, 0, 1))[:, None]


def _colours(u: Array) -> tuple[Array, Array]:
    """Colours of shape and ground, each [N, 3, 1, 1] in 0..1."""
    hue = u[:, 4]
    other = hue + (1 + u[:, 5]) / 3
    bright = _rgb(hue, 0.4 + 0.6 * u[:, 6], 0.75 + 0.25 * u[:, 7])
    dark = _rgb(other - np.floor(other), 0.3 + 0.6 * u[:, 8], 0.15 + 0.3 * u[:, 9])
    swap = (u[:, 10] < 0.5)[:, None, None, None]
    return np.where(swap, dark, bright), np.where(swap, bright, dark)


def _rgb(hue: Array, saturation: Array, value: Array) -> Array:
    """HSV, each [N] in 0..1, to RGB [N, 3, 1, 1]: channel = v (1 - s (1 - clip(|6 (h + o mod 1) - 3| - 1, 0, 1)))."""
    shifted = hue[:, None] + np.array([0.0, 2 / 3, 1 / 3])
    pure = np.clip(np.abs((shifted - np.floor(shifted)) * 6 - 3) - 1, 0, 1)
    channels: Array = value[:, None] * (1 - saturation[:, None] * (1 - pure))
    return channels[:, :, None, None]


def covered(distance: Array) -> Array:
    """The share of a pixel covered by a shape whose outline is this signed distance away, in pixels."""
    return np.clip(0.5 - distance, 0, 1)


def _radius(u: Array) -> Array:
    return spread(u[:, 11], 7, 11)


def _disc(x: Array, y: Array, u: Array) -> Array:
    return covered(np.sqrt(x * x + y * y) - _radius(u))


def _ring(x: Array, y: Array, u: Array) -> Array:
    """A ring whose band is 0.3 of the radius wide."""
    return covered(np.abs(np.sqrt(x * x + y * y) - 0.85 * _radius(u)) - 0.15 * _radius(u))


def _polygon(corners: tuple[tuple[float, float], ...]) -> Callable[[Array, Array, Array], Array]:
    def coverage(x: Array, y: Array, u: Array) -> Array:
        cosine, sine = _direction(u[:, 12])
        radius = _radius(u)
        return covered(polygon_distance(x * cosine + y * sine, y * cosine - x * sine, corners, radius))

    return coverage


def _bands(along: Array, period: Array, phase: Array) -> Array:
    """Signed distance to bands that are half a period wide."""
    position = along / period + phase
    return (np.abs(position - np.floor(position) - 0.5) - 0.25) * period


def _stripes(along: Array, u: Array) -> Array:
    return covered(_bands(along, spread(u[:, 13], 6, 12), spread(u[:, 14], 0, 1)))


def _checkerboard(x: Array, y: Array, u: Array) -> Array:
    """Covered where exactly one of two crossing sets of bands is."""
    period = 2 * spread(u[:, 13], 4, 8)
    first = covered(_bands(x, period, spread(u[:, 14], 0, 1)))
    second = covered(_bands(y, period, spread(u[:, 15], 0, 1)))
    return first + second - 2 * first * second


def _glow(x: Array, y: Array, u: Array) -> Array:
    """A glow without any edge: (1 - r^2)^2 out to 1.5 radii."""
    radius = 1.5 * _radius(u)
    inside = np.clip(1 - (x * x + y * y) / (radius * radius), 0, 1)
    return inside * inside


_COVERAGES: dict[str, Callable[[Array, Array, Array], Array]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _polygon(SQUARE),
    "triangle": _polygon(TRIANGLE),
    "cross": _polygon(CROSS),
    "star": _polygon(STAR),
    "horizontal_stripes": lambda x, y, u: _stripes(y + 0 * x, u),
    "vertical_stripes": lambda x, y, u: _stripes(x + 0 * y, u),
    "checkerboard": _checkerboard,
    "glow": _glow,
}
CLASSES = tuple(_COVERAGES)
