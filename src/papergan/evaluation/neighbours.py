"""Nearest neighbours of features, and the scores that follow: precision, recall, density, coverage, 1-NN accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.features import full_precision

PAIRS_AT_ONCE = 2048  # whose differences are held in float64
ROUNDING = 1e-5  # of |x|^2 + |y|^2: more than what float32 products lose of a squared distance, at any dimension here


@dataclass(frozen=True)
class Neighbourhoods:
    """Shares in 0..1, of one law about 0.5 for the accuracy and 1 for density, which alone may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float
    two_sample_accuracy: float

    def as_metrics(self) -> dict[str, float]:
        """The names under which score cards and logs hold them."""
        return asdict(self)


def neighbourhoods(
    fake: Tensor, real: Tensor, *, manifold_k: int = 3, density_k: int = 5, block: int = 2048
) -> Neighbourhoods:
    """Whether fakes lie among the reals (precision, density) and reals among the fakes (recall, coverage).

    B_k(x): the ball around x up to its k-th nearest neighbour in its own set, x itself not counted, border included.
    precision = share of fakes inside any B_k(real), recall = share of REALS inside any B_k(FAKE), k = manifold_k;
    density = mean over fakes of (number of B_k(real) around it) / k, coverage = share of B_k(real) that hold a fake,
    k = density_k. two_sample_accuracy = 1/2 (share of fakes whose nearest other sample is fake + share of reals whose
    nearest is real), a tie counting half: 0.5 = one law, whatever the counts, -> 1 for a collapse, -> 0 for copies.
    Document 001 repeats its precision (II.C, eq. 5) as recall (eq. 6); the recall of the source is implemented.
    fake [N, D], real [M, D]: any float type. All but the accuracy depend on N and M: compare equal counts only.
    Raises EvaluationError for too few samples for k, different dimensions, and features that are not finite.
    Source: Kynkaanniemi et al. 2019, arXiv:1904.06991, section 2; Naeem et al. 2020, arXiv:2002.09797, section 3.2;
    Lopez-Paz and Oquab 2017, arXiv:1610.06545, section 3, in the form of Xu et al. 2018, arXiv:1806.07755, section 2.
    """
    _check(fake, real, min(manifold_k, density_k), exclude_self=False)
    fake, real = fake.float(), real.to(fake.device).float()
    fake_own, _ = nearest(fake, fake, manifold_k, exclude_self=True, block=block)
    real_own, _ = nearest(real, real, max(manifold_k, density_k), exclude_self=True, block=block)
    manifold, dense, fake_radius = real_own[:, manifold_k - 1], real_own[:, density_k - 1], fake_own[:, -1]
    nearest_real, nearest_fake = _Closest(len(fake), 1, fake.device), _Closest(len(real), 1, fake.device)
    precise, recalled = fake.new_zeros(len(fake), dtype=torch.bool), real.new_zeros(len(real), dtype=torch.bool)
    balls = torch.zeros((), dtype=torch.int64, device=fake.device)
    with full_precision(fake.device):
        for pairs in _blocks(fake, real, block):
            rows, columns = pairs.rows, pairs.columns
            nearest_real.update(rows, columns.start, pairs.squares)
            nearest_fake.update(columns, rows.start, pairs.squares.T)
            precise[rows] |= pairs.within(manifold[columns]).any(1)
            recalled[columns] |= pairs.within(fake_radius[rows, None]).any(0)
            balls += pairs.within(dense[columns]).sum()
    to_real, to_fake = nearest_real.exact(fake, real)[0][:, 0], nearest_fake.exact(real, fake)[0][:, 0]
    return Neighbourhoods(
        precision=_share(precise),
        recall=_share(recalled),
        density=int(balls) / (density_k * len(fake)),
        coverage=_share(to_fake <= dense),
        two_sample_accuracy=(_own_first(fake_own[:, 0], to_real) + _own_first(real_own[:, 0], to_fake)) / 2,
    )


def nearest(
    queries: Tensor, base: Tensor, k: int, *, exclude_self: bool = False, block: int = 2048
) -> tuple[Tensor, Tensor]:
    """The k rows of `base` nearest to every query: squared Euclidean distances and indices, nearest first.

    queries [Q, D], base [M, D] -> float32 [Q, k] ascending, int64 [Q, k]. The search multiplies float32 blocks, both
    sides centred on the mean of base; the distances of what it finds are computed again from differences, so that a
    copy is at exactly 0. exclude_self: queries is base, and no row is its own neighbour (its duplicates may be).
    Raises EvaluationError for fewer than k neighbours, different dimensions, and vectors that are not finite.
    """
    _check(queries, base, k, exclude_self=exclude_self)
    queries, base = queries.float(), base.to(queries.device).float()
    closest = _Closest(len(queries), k, queries.device)
    with full_precision(queries.device):
        for pairs in _blocks(queries, base, block):
            if exclude_self and pairs.rows == pairs.columns:  # both sides have the same blocks
                pairs.squares.fill_diagonal_(torch.inf)
            closest.update(pairs.rows, pairs.columns.start, pairs.squares)
    return closest.exact(queries, base)


@dataclass(frozen=True)
class _Pairs:
    """One block of pairs: squared distances [rows, columns], each off by less than the two margins of its pair."""

    queries: Tensor
    base: Tensor
    rows: slice
    columns: slice
    squares: Tensor
    row_margin: Tensor
    column_margin: Tensor

    def within(self, radii: Tensor) -> Tensor:
        """Squared distance <= squared radius, bool [rows, columns]; exact where rounding would decide it."""
        gap = self.squares - radii
        inside = gap <= 0
        rows, columns = (gap.abs_().sub_(self.row_margin) < self.column_margin).nonzero(as_tuple=True)
        exact = _exact(self.queries[self.rows], rows, self.base[self.columns], columns)
        inside[rows, columns] = exact <= radii.expand_as(gap)[rows, columns]
        return inside


def _blocks(queries: Tensor, base: Tensor, block: int) -> Iterator[_Pairs]:
    """|x|^2 + |y|^2 - 2 x.y, block by block; about the mean of base, as a common offset would eat the digits."""
    centre = base.mean(0)
    for row in range(0, len(queries), block):
        rows = slice(row, row + block)
        x = queries[rows] - centre
        x_squares = x.square().sum(1, keepdim=True)
        for column in range(0, len(base), block):
            columns = slice(column, column + block)
            y = base[columns] - centre
            y_squares = y.square().sum(1)
            squares = torch.addmm(y_squares, x, y.T, alpha=-2).add_(x_squares)
            yield _Pairs(queries, base, rows, columns, squares, ROUNDING * x_squares, ROUNDING * y_squares)


class _Closest:
    """The k nearest of every row, among the blocks seen so far."""

    def __init__(self, count: int, k: int, device: torch.device) -> None:
        self._squares = torch.full((count, k), torch.inf, device=device)
        self._indices = torch.zeros(count, k, dtype=torch.int64, device=device)

    def update(self, rows: slice, first_column: int, squares: Tensor) -> None:
        k = self._squares.shape[1]
        values, columns = squares.topk(min(k, squares.shape[1]), dim=1, largest=False)
        values = torch.cat([self._squares[rows], values], dim=1)
        columns = torch.cat([self._indices[rows], columns + first_column], dim=1)
        self._squares[rows], order = values.topk(k, dim=1, largest=False)
        self._indices[rows] = columns.gather(1, order)

    def exact(self, queries: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.arange(len(queries), device=queries.device)
        squares = torch.stack([_exact(queries, rows, base, column) for column in self._indices.unbind(1)], dim=1)
        squares, order = squares.sort(dim=1, stable=True)
        return squares, self._indices.gather(1, order)


def _exact(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> Tensor:
    """|a[row] - b[column]|^2 of each pair; by way of float64, so that one pair gives the same bits wherever it is."""
    parts = zip(torch.split(rows, PAIRS_AT_ONCE), torch.split(columns, PAIRS_AT_ONCE), strict=True)
    return torch.cat([(a[row].double() - b[column].double()).square().sum(1).float() for row, column in parts])


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def _own_first(own: Tensor, other: Tensor) -> float:
    return _share(own < other) + _share(own == other) / 2


def _check(queries: Tensor, base: Tensor, k: int, *, exclude_self: bool) -> None:
    if queries.ndim != 2 or base.ndim != 2 or queries.shape[1] != base.shape[1]:
        raise EvaluationError(
            f"neighbours need vectors [N, D] of one dimension, got {tuple(queries.shape)} and {tuple(base.shape)}"
        )
    if exclude_self and len(queries) != len(base):
        raise EvaluationError(f"exclude_self needs queries to be the base, got {len(queries)} and {len(base)} vectors")
    if not (len(queries) and 1 <= k <= len(base) - exclude_self):
        raise EvaluationError(f"{len(queries)} vectors cannot have {k} neighbours among {len(base)}; use more of them")
    for vectors in (queries, base):
        low, high = vectors.aminmax()  # isfinite() would hold another two copies of the training set
        if not bool((high - low).isfinite()):
            raise EvaluationError("vectors contain NaN or infinity; the images or the extractor are damaged")
