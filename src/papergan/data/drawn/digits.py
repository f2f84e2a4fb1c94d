"""synthetic_digits: the ten digits as pen strokes, drawn by formula, for demonstrations without a download.

Grey images 32x32, bright strokes on black. Every image is a pure function of (seed, split, index). Its class is index
mod 10, so classes are balanced. The following vary, each uniformly and independently:

    position    centre within 3 pixels of the middle, in x and in y
    size        half the height 8..11 pixels; half the width 0.75..1.15 of the stroke table's
    slant       x moves by -0.3..0.3 pixels per pixel of height
    pen         1.1..2.2 pixels to either side of the line
    ink         brightness 0.75..1

Antialiased, and the same bytes on every machine, like `papergan.data.drawn.shapes`, whose random numbers are used.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from papergan.data.drawn.polygons import Array, polyline_distance
from papergan.data.drawn.shapes import SIZE, covered, draw_balanced, spread, to_bytes
from papergan.data.images import ImageSet

Stroke = tuple[tuple[float, float], ...]
DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

_CIRCLE = (  # every thirty degrees, from the right; literals, so that every machine has the same last bit
    (1.0, 0.0), (0.8660254, 0.5), (0.5, 0.8660254), (0.0, 1.0), (-0.5, 0.8660254), (-0.8660254, 0.5),
    (-1.0, 0.0), (-0.8660254, -0.5), (-0.5, -0.8660254), (0.0, -1.0), (0.5, -0.8660254), (0.8660254, -0.5), (1.0, 0.0),
)  # fmt: skip


def _ellipse(centre_y: float, half_width: float, half_height: float) -> Stroke:
    return tuple((x * half_width, centre_y + y * half_height) for x, y in _CIRCLE)


_SIX: tuple[Stroke, ...] = (((0.42, -1.0), (0.0, -0.68), (-0.35, -0.25), (-0.56, 0.15), (-0.6, 0.45)),
                            _ellipse(0.45, 0.6, 0.55))  # fmt: skip

# Strokes of each digit: x from -0.6 to 0.6 and y, downwards, from -1 to 1.
STROKES: dict[str, tuple[Stroke, ...]] = {
    "0": (_ellipse(0.0, 0.6, 1.0),),
    "1": (((-0.35, -0.6), (0.1, -1.0), (0.1, 1.0)),),
    "2": (((-0.6, -0.55), (-0.5, -0.8), (-0.3, -0.95), (0.0, -1.0), (0.32, -0.95), (0.53, -0.77), (0.6, -0.5),
           (0.48, -0.2), (-0.6, 1.0), (0.6, 1.0)),),
    "3": (((-0.55, -0.82), (-0.3, -0.96), (0.0, -1.0), (0.35, -0.93), (0.55, -0.7), (0.55, -0.38), (0.35, -0.12),
           (-0.15, -0.03), (0.38, 0.08), (0.6, 0.35), (0.6, 0.62), (0.4, 0.9), (0.0, 1.0), (-0.35, 0.95),
           (-0.6, 0.78)),),
    "4": (((0.28, 1.0), (0.28, -1.0), (-0.6, 0.4), (0.6, 0.4)),),
    "5": (((0.55, -1.0), (-0.42, -1.0), (-0.5, -0.1), (-0.2, -0.25), (0.12, -0.27), (0.43, -0.12), (0.6, 0.2),
           (0.6, 0.5), (0.42, 0.85), (0.05, 1.0), (-0.3, 0.96), (-0.58, 0.8)),),
    "6": _SIX,
    "7": (((-0.6, -1.0), (0.6, -1.0), (-0.12, 1.0)),),
    "8": (_ellipse(-0.5, 0.46, 0.5), _ellipse(0.5, 0.58, 0.5)),
    "9": tuple(tuple((-x, -y) for x, y in stroke) for stroke in _SIX),
}  # fmt: skip


def synthetic_digits(split: Literal["train", "test"], count: int, seed: int = 0) -> ImageSet:
    """`count` grey images 32x32 of the ten digits; a smaller count is a prefix of a larger one.

    Train and test draw from different random streams. Raises DataError for an unknown split or a negative count.
    """
    return draw_balanced("synthetic_digits", split, count, seed, DIGITS, 1, _draw)


def _draw(label: int, u: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Images of one class, [N, 1, S, S]. u: [N, draws] in [0, 1)."""
    axis: Array = np.arange(SIZE, dtype=np.float64) + (0.5 - SIZE / 2)
    height = spread(u[:, 2], 8, 11)
    y = axis[None, :, None] - spread(u[:, 1], -3, 3)
    x = axis[None, None, :] - spread(u[:, 0], -3, 3) - spread(u[:, 4], -0.3, 0.3) * y
    width = height * spread(u[:, 3], 0.75, 1.15)
    nearest = np.full((len(u), SIZE, SIZE), np.inf)
    for stroke in STROKES[DIGITS[label]]:
        nearest = np.minimum(nearest, polyline_distance(x, y, stroke, width, height))
    coverage = covered(nearest - spread(u[:, 5], 1.1, 2.2)) * spread(u[:, 6], 0.75, 1.0)
    return to_bytes(coverage[:, None])
