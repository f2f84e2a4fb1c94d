"""Anchors of the Parzen log-likelihood: real training images, and the centroids of k-means, in the place of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.parzen import BANDWIDTHS, choose_bandwidth, parzen_log_likelihood
from papergan.metrics.random_subsets import random_rows

ROWS_AT_ONCE = 1000  # against 10000 centroids, one block of distances takes 40 MB


class ParzenScore(NamedTuple):
    """The mean log-likelihood in nats, its standard error, and the bandwidth of the window."""

    mean: float
    error: float
    bandwidth: float


def parzen_anchors(
    train: Array,
    validation: Array,
    test: Array,
    seed: int,
    *,
    samples: int = 10_000,
    iterations: int = 20,
    bandwidths: Sequence[float] = BANDWIDTHS,
) -> dict[str, ParzenScore]:
    """The scores of "training images" and of "k-means", by the rules by which a generator's samples are scored.

    train [N, D], validation [V, D], test [M, D]: flattened images with values in 0..1. samples: how many training
    images are drawn by `seed`, and how many centroids are found, starting from these. The bandwidth is chosen on the
    validation images. That centroids, which are blurred and of no use as images, outdo the images themselves is why
    this likelihood ranks nothing. Raises EvaluationError where there are fewer training images than samples.
    Source: Theis, van den Oord and Bethge 2016, arXiv:1511.01844, table 1, which says of neither how it was done.
    """
    train = as_tensor(train, "training images")
    if len(train) < samples:
        raise EvaluationError(f"{samples} samples cannot be taken from {len(train)} training images; give fewer")
    drawn = train[random_rows(len(train), samples, seed, "parzen anchors")]
    anchors = {"training images": drawn, "k-means": k_means(train, drawn, iterations)}
    return {name: _score(points, validation, test, bandwidths) for name, points in anchors.items()}


def _score(points: Tensor, validation: Array, test: Array, bandwidths: Sequence[float]) -> ParzenScore:
    bandwidth = choose_bandwidth(points, validation, bandwidths)
    return ParzenScore(*parzen_log_likelihood(points, test, bandwidth), bandwidth)


def k_means(points: Tensor, centroids: Tensor, iterations: int) -> Tensor:
    """Centroids [K, D] of points [N, D] after so many iterations from given ones, or once none moves; float32.

    Each point belongs to its nearest centroid, each centroid becomes the mean of its points; one without any stays.
    Source: Lloyd 1982, IEEE Transactions on Information Theory 28(2).
    """
    points, centroids = points.float(), centroids.float()
    belongs = torch.full((len(points),), -1, device=points.device)
    for _ in range(iterations):
        before, belongs = belongs, _nearest(points, centroids)
        if torch.equal(before, belongs):
            break
        counts = torch.bincount(belongs, minlength=len(centroids))[:, None]
        means = torch.zeros_like(centroids).index_add_(0, belongs, points) / counts.clamp_min(1)
        centroids = torch.where(counts > 0, means, centroids)
    return centroids


def _nearest(points: Tensor, centroids: Tensor) -> Tensor:
    lengths = centroids.square().sum(dim=1)
    return torch.cat(
        [
            torch.addmm(lengths, block, centroids.T, alpha=-2.0).argmin(dim=1)
            for block in torch.split(points, ROWS_AT_ONCE)
        ]
    )
