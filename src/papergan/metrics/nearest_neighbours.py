"""Nearest neighbours of features, and the scores that follow: precision, recall, density, coverage, 1-NN accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import full_precision
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.pairwise_distances import SPARE, nearest_by_differences, pair_blocks, squared_distances

FARTHEST = 2.0**62  # its square fits into float32, with room for sums


@dataclass(frozen=True)
class Neighbourhoods:
    """Scores from nearest neighbours, shares in 0..1.

    For one distribution the accuracy is about 0.5 and the density, which alone may exceed 1, about 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    two_sample_accuracy: float


def neighbourhoods(
    fake: Array, real: Array, *, manifold_k: int = 3, density_k: int = 5, block: int = 2048
) -> Neighbourhoods:
    """Whether fakes lie among the reals (precision, density) and reals among the fakes (recall, coverage).

    B_k(x): the ball around x up to its k-th nearest neighbour in its own set, x itself not counted, border included.
    precision = share of fakes inside any B_k(real), recall = share of REALS inside any B_k(FAKE), k = manifold_k;
    density = mean over fakes of (number of B_k(real) around it) / k, coverage = share of B_k(real) that hold a fake, k
    = density_k. two_sample_accuracy = 1/2 (share of fakes whose nearest other sample is fake + share of reals whose
    nearest is real), a tie counting half: 0.5 = equal distributions, whatever the counts, -> 1 for a collapse, -> 0 for
    copies. purwono2025 repeats its precision (II.C, eq. 5) as recall (eq. 6); gan_optimisation_review (section III,
    item 4) has the shares of generated and of real images that are classified as real. The source's are implemented.
    fake [N, D], real [M, D]: taken as float32. All but the accuracy depend on N and M: compare equal counts only.
    Raises EvaluationError for too few samples for k, different dimensions, and features that are not finite.
    Source: Kynkaanniemi et al. 2019, arXiv:1904.06991, section 2; Naeem et al. 2020, arXiv:2002.09797, section 3.2;
    Lopez-Paz and Oquab 2017, arXiv:1610.06545, section 3, in the form of Xu et al. 2018, arXiv:1806.07755, section 2.
    """
    fake, real = as_tensor(fake, "fake features"), as_tensor(real, "real features")
    _check(fake, real, min(manifold_k, density_k), exclude_self=False)
    fake, real = fake.float(), real.to(fake.device).float()
    fake_own, _ = nearest(fake, fake, manifold_k, exclude_self=True, block=block)
    real_own, _ = nearest(real, real, max(manifold_k, density_k), exclude_self=True, block=block)
    manifold, dense, fake_radius = real_own[:, manifold_k - 1], real_own[:, density_k - 1], fake_own[:, -1]
    nearest_real, nearest_fake = (_Candidates(*pair, 1) for pair in ((fake, real), (real, fake)))
    precise, recalled = fake.new_zeros(len(fake), dtype=torch.bool), real.new_zeros(len(real), dtype=torch.bool)
    balls = torch.zeros((), dtype=torch.int64, device=fake.device)
    with full_precision(fake.device):
        for pairs in pair_blocks(fake, real, block):
            rows, columns = pairs.rows, pairs.columns
            nearest_real.update(rows, columns.start, pairs.least)
            nearest_fake.update(columns, rows.start, pairs.least.T)
            in_real, in_fake, in_dense = pairs.within(manifold[columns], fake_radius[rows, None], dense[columns])
            precise[rows] |= in_real.any(1)
            recalled[columns] |= in_fake.any(0)
            balls += in_dense.sum()
        to_real, to_fake = (candidates.settled(block)[0][:, 0] for candidates in (nearest_real, nearest_fake))
    return Neighbourhoods(
        precision=_share(precise),
        recall=_share(recalled),
        density=int(balls) / (density_k * len(fake)),
        coverage=_share(to_fake <= dense),
        two_sample_accuracy=(_own_first(fake_own[:, 0], to_real) + _own_first(real_own[:, 0], to_fake)) / 2,
    )


def nearest(
    queries: Array, base: Array, k: int, *, exclude_self: bool = False, block: int = 2048
) -> tuple[Tensor, Tensor]:
    """The k rows of `base` nearest to every query: squared Euclidean distances and indices, nearest first.

    queries [Q, D], base [M, D] -> float32 [Q, k] ascending, int64 [Q, k]. Exact for any float32 vectors, even
    tight clusters far apart and outliers: candidates are found by products centred on the mean of base, with a bound on
    the rounding error; their distances are computed from differences, so that a copy is at exactly 0; and a row whose
    neighbours the bound does not settle is searched again by float64 products, and then by differences alone.
    exclude_self: queries is base, and no row is its own neighbour (its duplicates may be).
    Raises EvaluationError for fewer than k neighbours, different dimensions, and vectors that are not finite,
    or too far apart for float32.
    """
    queries, base = as_tensor(queries, "queries"), as_tensor(base, "base vectors")
    _check(queries, base, k, exclude_self=exclude_self)
    queries, base = queries.float(), base.to(queries.device).float()
    own = torch.arange(len(base), device=base.device) if exclude_self else None
    with full_precision(queries.device):
        return _Candidates(queries, base, k, own).searched(block, torch.float32)


class _Candidates:
    """For every query the k + SPARE rows of base with the smallest lower bounds of their distance, so far.

    own: int64 [Q], for each query the row of base that is itself and no neighbour of it; None = there is none.
    """

    def __init__(self, queries: Tensor, base: Tensor, k: int, own: Tensor | None = None) -> None:
        self._queries, self._base, self._k, self._own = queries, base, k, own
        count = min(k + SPARE, len(base))
        self._complete = count == len(base)
        self._least = torch.full((len(queries), count), torch.inf, device=queries.device)
        self._indices = torch.zeros(len(queries), count, dtype=torch.int64, device=queries.device)

    def searched(self, block: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Compare all pairs, by products of this type; then as `settled`."""
        self._least = self._least.to(dtype)
        for pairs in pair_blocks(self._queries, self._base, block, dtype):
            if self._own is not None:
                _hide(pairs.least, self._own[pairs.rows] - pairs.columns.start)
            self.update(pairs.rows, pairs.columns.start, pairs.least)
        return self.settled(block)

    def update(self, rows: slice, first_column: int, least: Tensor) -> None:
        """Add a block of lower bounds [R, C], of these rows of the queries and of columns from first_column on."""
        count = self._least.shape[1]
        values, columns = least.topk(min(count, least.shape[1]), dim=1, largest=False)
        values = torch.cat([self._least[rows], values], dim=1)
        columns = torch.cat([self._indices[rows], columns + first_column], dim=1)
        self._least[rows], order = values.topk(count, dim=1, largest=False)
        self._indices[rows] = columns.gather(1, order)

    def settled(self, block: int) -> tuple[Tensor, Tensor]:
        """The k nearest: squared distances float32 [Q, k] ascending, and indices int64 [Q, k].

        Every row of base that is no candidate is at least as far away as the largest bound among them. Queries
        whose k-th candidate is farther than that are searched again, more finely.
        """
        rows = torch.arange(len(self._queries), device=self._queries.device)
        squares = torch.stack(
            [squared_distances(self._queries, rows, self._base, column) for column in self._indices.unbind(1)], dim=1
        )
        squares[self._least.isinf()] = torch.inf  # itself, or nothing
        squares, order = squares.sort(dim=1, stable=True)
        squares, indices = squares[:, : self._k], self._indices.gather(1, order[:, : self._k])
        unsettled = squares[:, -1] > (torch.inf if self._complete else self._least.amax(1).clamp_min(0))
        rows = unsettled.nonzero()[:, 0]
        if len(rows):
            own = None if self._own is None else self._own[rows]
            if self._least.dtype == torch.float32:
                again = _Candidates(self._queries[rows], self._base, self._k, own).searched(block, torch.float64)
            else:
                again = nearest_by_differences(self._queries[rows], self._base, self._k, squares[rows, -1], own)
            squares[rows], indices[rows] = again
        return squares, indices


def _hide(least: Tensor, columns: Tensor) -> None:
    """Put infinity where row r meets column `columns[r]`, int64 [R]; columns outside this block are skipped."""
    rows = ((columns >= 0) & (columns < least.shape[1])).nonzero()[:, 0]
    least[rows, columns[rows]] = torch.inf


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
    ends = torch.stack([torch.stack(vectors.aminmax()).to(base.device) for vectors in (queries, base)])
    span = float(ends[:, 1].max() - ends[:, 0].min())  # isfinite() would hold another two copies of the training set
    if not math.isfinite(span):
        raise EvaluationError("vectors contain NaN or infinity; the images or the extractor are damaged")
    if span > FARTHEST / base.shape[1] ** 0.5:
        raise EvaluationError(f"vectors {span:.3g} apart are too far apart for float32; scale the features down")
