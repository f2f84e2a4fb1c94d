"""Squared distances of all pairs of two sets, block by block, with bounds on their rounding errors.

And a search for nearest neighbours by differences alone, for the few vectors that products cannot separate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PAIRS_AT_ONCE = 2048  # whose differences are held in float64
ROWS_AT_ONCE, COLUMNS_AT_ONCE = 64, 4096  # of a search by differences alone
SPARE = 4  # candidates beyond k: square roots can make two distances equal
PROJECTED = 1e-12  # of the largest norm: more than what float64 loses of a projection
ROUNDINGS = 84  # epsilons of |x|^2 + |y|^2: more than products lose of a squared distance, at any dimension here
CROWDED = 0.005  # share of a block's pairs: if more are within the bounds, the block is computed more finely
TO_FLOAT32 = 1 + 2.0**-23  # a number up to this times a float32 number may be rounded to it


@dataclass(frozen=True)
class PairBlock:
    """One block of pairs: R rows of `queries` and C rows of `base`, called its columns.

    least: lower bounds of the squared distances [R, C]; with row_slack [R, 1] and column_slack [C] added, upper bounds.
    """

    queries: Tensor
    base: Tensor
    rows: slice
    columns: slice
    least: Tensor
    row_slack: Tensor
    column_slack: Tensor

    def within(self, *radii: Tensor) -> list[Tensor]:
        """For each of the radii, whether squared distance <= squared radius, bool [R, C]. Exact, however close it is.

        radii: squared, float32 that broadcasts to [R, C]. Pairs that are between the bounds for any of them are
        computed from differences. If there are many, the bounds are first tightened by float64 products.
        """
        most = self.least + self.row_slack + self.column_slack
        inside = [self.least <= squares * TO_FLOAT32 for squares in radii]
        unsure = torch.zeros_like(inside[0])
        for flags, squares in zip(inside, radii, strict=True):
            unsure |= flags & (most > squares)
        rows, columns = unsure.nonzero(as_tuple=True)
        if self.least.dtype == torch.float32 and len(rows) > CROWDED * unsure.numel():
            return self._finer().within(*radii)
        exact = self._exact(rows, columns)
        for flags, squares in zip(inside, radii, strict=True):
            flags[rows, columns] = exact <= squares.expand_as(flags)[rows, columns]
        return inside

    def _finer(self) -> PairBlock:
        """The same block by float64 products."""
        (block,) = pair_blocks(self.queries[self.rows], self.base[self.columns], 2**62, torch.float64)
        return block

    def _exact(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Exact squared distances of pairs of this block; those of identical vectors need no differences."""
        x, y = self.queries[self.rows], self.base[self.columns]
        found = x.new_zeros(len(rows))
        if len(rows) <= CROWDED * self.least.numel():
            differ = torch.arange(len(rows), device=rows.device)
        else:
            differ = (_content(x)[rows] != _content(y)[columns]).nonzero()[:, 0]
        found[differ] = squared_distances(x, rows[differ], y, columns[differ])
        return found


def pair_blocks(queries: Tensor, base: Tensor, block: int, dtype: torch.dtype = torch.float32) -> Iterator[PairBlock]:
    """|x|^2 + |y|^2 - 2 x.y, block by block; centred on the mean of base, as a common offset would cost digits.

    queries [Q, D], base [M, D]: float32. dtype: of the products, float32 or float64.
    """
    centre = base.mean(0).to(dtype)
    rounding = ROUNDINGS * torch.finfo(dtype).eps
    for row in range(0, len(queries), block):
        rows = slice(row, row + block)
        x = queries[rows].to(dtype) - centre
        x_squares = x.square().sum(1, keepdim=True)
        for column in range(0, len(base), block):
            columns = slice(column, column + block)
            y = base[columns].to(dtype) - centre
            y_squares = y.square().sum(1)
            least = torch.addmm((1 - rounding) * y_squares, x, y.T, alpha=-2).add_((1 - rounding) * x_squares)
            slack = (2 * rounding * squares for squares in (x_squares, y_squares))
            yield PairBlock(queries, base, rows, columns, least, *slack)


def squared_distances(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> Tensor:
    """|a[row] - b[column]|^2 of each pair, float32.

    Computed in float64, so that a pair gives the same bits wherever it is; distances are equal if float32 says so.
    """
    parts = zip(torch.split(rows, PAIRS_AT_ONCE), torch.split(columns, PAIRS_AT_ONCE), strict=True)
    return torch.cat([(a[row].double() - b[column].double()).square().sum(1).float() for row, column in parts])


def _content(vectors: Tensor) -> Tensor:
    """A 64-bit hash of each row of float32 [N, D], int64 [N]: equal for equal rows, different for others."""
    draw = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**63), 2**63 - 1, (vectors.shape[1],), generator=draw).to(vectors.device) | 1
    return ((vectors + 0.0).view(torch.int32).long() * factors).sum(1)  # + 0.0, since -0.0 equals 0.0


def nearest_by_differences(
    queries: Tensor, base: Tensor, k: int, reach: Tensor, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The k rows of `base` nearest to every query, float32 squared distances [Q, k] ascending and int64 [Q, k].

    queries [Q, D], base [M, D]: float32. reach: float32 [Q], squared distances within which k neighbours are known to
    lie. own: int64 [Q], rows of base that do not count. Vectors are sorted by their projection p.x on one random
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
    """The nearest of these rows of base; hidden: bool [Q, C], pairs that do not count. Indices are into `columns`."""
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
