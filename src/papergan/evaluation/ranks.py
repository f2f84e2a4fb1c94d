"""Putting together what the processes of a distributed evaluation have seen, without pickling anything."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from papergan.errors import EvaluationError
from papergan.evaluation.statistics import FeatureStatistics


def merged_over_ranks(statistics: FeatureStatistics) -> FeatureStatistics:
    """The statistics of all ranks together, the same on every rank; itself without a process group.

    Two sums over the ranks r: first [n_r m_r, n_r], whence the mean m = sum n_r m_r / sum n_r, then
    scatter = sum S_r + n_r (m_r - m)(m_r - m)^T, which is exact where raw second moments lose every digit.
    Uneven ranks, and ranks without features, are fine; two numbers per entry travel, however many features there are.
    Every rank must call it, with features of the same dimension on the device that the process group serves.
    Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm", eq. 2.1, for many parts.
    """
    if not _is_distributed():
        return statistics
    parts = statistics.to_tensors()
    count, mean = float(parts["count"]), parts["mean"]
    totals = torch.cat([mean * count, mean.new_tensor([count])])
    distributed.all_reduce(totals)
    merged = totals[:-1] / totals[-1].clamp_min(1)
    difference = mean - merged
    scatter = parts["scatter"] + count * torch.outer(difference, difference)
    distributed.all_reduce(scatter)
    return FeatureStatistics.from_tensors({"count": totals[-1].long(), "mean": merged, "scatter": scatter})


def gathered_rows(rows: Tensor, positions: Tensor) -> Tensor:
    """The rows of all ranks in the order of their positions, [sum n_r, D], the same on every rank.

    rows [n_r, D], [0, D] where a rank has none. positions: int64 [n_r], each row's place among all of them, so that
    the result does not depend on how the work was divided. Without a process group: the rows, sorted.
    Every rank must call it, with rows of the same type and D; shorter ranks are padded to the longest while they
    travel, because a gather takes equal shapes only.
    Raises EvaluationError for other shapes, and for a position that occurs twice: an image scored by two ranks
    (a sampler that pads with duplicates) would count twice.
    Source: design of this project.
    """
    if rows.ndim != 2 or positions.dtype != torch.int64 or positions.shape != rows.shape[:1]:
        got = f"{tuple(rows.shape)} and {positions.dtype} {tuple(positions.shape)}"
        raise EvaluationError(f"gathering needs rows [N, D] and their positions int64 [N], got {got}")
    positions = positions.to(rows.device)
    if _is_distributed():
        lengths = [int(length) for length in _gathered(positions.new_tensor([len(rows)]))]
        rows, positions = (torch.cat(_gathered_uneven(part, lengths)) for part in (rows, positions))
    ordered, order = positions.sort()
    if bool((ordered[1:] == ordered[:-1]).any()):
        raise EvaluationError("two gathered rows have the same position; give each image to one rank only")
    return rows[order]


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _gathered_uneven(part: Tensor, lengths: list[int]) -> list[Tensor]:
    padded = part.new_zeros(max(lengths), *part.shape[1:])
    padded[: len(part)] = part
    return [whole[:length] for whole, length in zip(_gathered(padded), lengths, strict=True)]


def _gathered(tensor: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, tensor)
    return parts
