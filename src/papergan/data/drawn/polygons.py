"""Polygons given by their corners, and distances to their outlines and to polylines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Corners = tuple[tuple[float, float], ...]

# In radii; y points down. Literals, not sines, so that every machine has the same last bit.
SQUARE: Corners = ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8))
TRIANGLE: Corners = ((0.0, -1.1), (0.9526279441628825, 0.55), (-0.9526279441628825, 0.55))
CROSS: Corners = (
    (-0.3, -1.0),
    (0.3, -1.0),
    (0.3, -0.3),
    (1.0, -0.3),
    (1.0, 0.3),
    (0.3, 0.3),
    (0.3, 1.0),
    (-0.3, 1.0),
    (-0.3, 0.3),
    (-1.0, 0.3),
    (-1.0, -0.3),
    (-0.3, -0.3),
)
# A five-pointed star: points at 1.2 radii, notches at 0.46, the ratio of a pentagram.
STAR: Corners = (
    (0.0, -1.2),
    (0.2703812, -0.3721478),
    (1.1412678, -0.3708204),
    (0.4374859, 0.1421478),
    (0.7053423, 0.9708204),
    (0.0, 0.46),
    (-0.7053423, 0.9708204),
    (-0.4374859, 0.1421478),
    (-1.1412678, -0.3708204),
    (-0.2703812, -0.3721478),
)


def polygon_distance(x: Array, y: Array, corners: Corners, radius: Array) -> Array:
    """Signed distance in pixels from points to a polygon's outline, negative inside.

    x, y: points in pixels from the polygon's centre, arrays that broadcast. corners: in units of `radius`, in order.
    The least distance to any edge; its sign follows from the parity of edges that a ray to the right crosses.
    """
    x, y = np.broadcast_arrays(x, y)
    nearest = np.full(x.shape, np.inf)
    inside = np.zeros(x.shape, bool)
    for (start_x, start_y), (end_x, end_y) in zip(corners, (*corners[1:], corners[0]), strict=True):
        from_x, from_y = x - start_x * radius, y - start_y * radius
        edge_x, edge_y = (end_x - start_x) * radius, (end_y - start_y) * radius
        nearest = np.minimum(nearest, _squared(from_x, from_y, edge_x, edge_y))
        spans = (from_y >= 0) != (from_y >= edge_y)
        rightward = (from_x * edge_y < edge_x * from_y) == (edge_y > 0)
        inside ^= spans & rightward
    distance: Array = np.where(inside, -1.0, 1.0) * np.sqrt(nearest)
    return distance


def polyline_distance(x: Array, y: Array, corners: Corners, width: Array, height: Array) -> Array:
    """Distance in pixels from points to the nearest segment between successive corners.

    x, y: points in pixels from the centre, arrays that broadcast. corners: x in units of `width`, y of `height`.
    """
    x, y = np.broadcast_arrays(x, y)
    nearest = np.full(x.shape, np.inf)
    for (start_x, start_y), (end_x, end_y) in pairwise(corners):
        from_x, from_y = x - start_x * width, y - start_y * height
        nearest = np.minimum(nearest, _squared(from_x, from_y, (end_x - start_x) * width, (end_y - start_y) * height))
    distance: Array = np.sqrt(nearest)
    return distance


def _squared(from_x: Array, from_y: Array, edge_x: Array, edge_y: Array) -> Array:
    """Squared distance of points, relative to an edge's start, to that edge."""
    along = np.clip((from_x * edge_x + from_y * edge_y) / (edge_x * edge_x + edge_y * edge_y), 0, 1)
    off_x, off_y = from_x - edge_x * along, from_y - edge_y * along
    squared: Array = off_x * off_x + off_y * off_y
    return squared
