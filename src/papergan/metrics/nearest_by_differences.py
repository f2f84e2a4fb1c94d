"""Nearest neighbours by differences alone, for the few vectors that products cannot separate."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.metrics.pairwise_distances import TO_FLOAT32, squared_distances

ROWS_AT_ONCE, COLUMNS_AT_ONCE = 64, 4096
PROJECTED = 1e-12  # of the largest norm: more than what float64 loses of a projection
SPARE = 4  # candidates beyond k: square roots can make two distances one


def nearest_by_differences(
    queries: Tensor, base: Tensor, k: int, reach: Tensor, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The k rows of `base` nearest to every query, float32 squared distances [Q, k] ascending and int64 [Q, k].

    queries [Q, D], base [M, D]: float32. reach: float32 [Q], squared distances within which k neighbours are known to
    lie. own: int64 [Q], rows of base that are no neighbours. Vectors are sorted by their projection p.x on one random
    direction; as |p.x - p.y| <= |x - y|, only base vectors in a window as wide as the reach are compared, which leaves
    a cluster to itself. The worst case, a window that holds everything, takes Q M D differences.
    """
    direction = torch.randn(base.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction = (direction / direction.norm()).to(base.device)
    centre = base.mean(0).double()
    query_places, base_places = (
        torch.cat([(some.double() - centre) @ direction for some in torch.split(vectors, COLUMNS_AT_ONCE)])
        for vectors in (queries, base)
    )
    slack = PROJECTED * float((base.amax() - base.amin()).double() * base.shape[1] ** 0.5)
    base_places, base_order = base_places.sort()
    squares = torch.empty(len(queries), k, device=base.device)
    indices = torch.empty(len(queries), k, dtype=torch.int64, device=base.device)
    for rows in torch.split(query_places.argsort(), ROWS_AT_ONCE):
        radius = float((reach[rows].double() * TO_FLOAT32).amax().sqrt()) + slack
        places = query_places[rows]
        ends = torch.stack([places.amin() - radius, places.amax() + radius])
        first, last = torch.searchsorted(base_places, ends).tolist()
        columns = base_order[first:last]
        hidden = None if own is None else own[rows, None] == columns
        squares[rows], found = _nearest_of(queries[rows], base, columns, k, hidden)
        indices[rows] = columns[found]
    return squares, indices


def _nearest_of(queries: Tensor, base: Tensor, columns: Tensor, k: int, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
    """Among these rows of base; hidden: bool [Q, C], pairs that do not count. Indices are into `columns`."""
    distances = torch.cat(
        [
            torch.cdist(queries.double(), base[some].double(), compute_mode="donot_use_mm_for_euclid_dist")
            for some in torch.split(columns, COLUMNS_AT_ONCE)
        ],
        dim=1,
    )
    if hidden is not None:
        distances[hidden] = torch.inf
    values, found = distances.topk(min(k + SPARE, len(columns)), dim=1, largest=False)
    rows = torch.arange(len(queries), device=queries.device)
    squares = torch.stack([squared_distances(queries, rows, base, columns[one]) for one in found.unbind(1)], dim=1)
    squares[values.isinf()] = torch.inf
    squares, order = squares.sort(dim=1, stable=True)
    return squares[:, :k], found.gather(1, order[:, :k])
