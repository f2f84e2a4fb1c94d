"""Anchors of the metrics: the Parzen log-likelihood of training images, and of the centroids of k-means."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from papergan.data.images import ImageSplits
from papergan.errors import EvaluationError
from papergan.metrics.parzen import choose_bandwidth, parzen_log_likelihood
from papergan.metrics.random_subsets import order

logger = logging.getLogger(__name__)

ANCHORS = ("true_distribution", "k_means")
COUNT = 10_000  # samples, and validation images: the last ones of the training set
ITERATIONS = 10  # of k-means; its likelihood no longer changes much after five
AT_ONCE = 2_000  # images whose distances to all centroids are in memory together


def parzen_anchors(images: ImageSplits, *, count: int = COUNT, seed: int = 0) -> dict[str, dict[str, float]]:
    """The Parzen log-likelihood, nats, and its standard error, by name of the anchor.

    true_distribution: `count` training images, drawn by seed, as the samples. k_means: the centroids that Lloyd's
    algorithm makes of those in ITERATIONS. Values in 0..1; bandwidth by the last `count` training images, which are in
    neither; the score is that of all test images. Raises EvaluationError for fewer than 3 * count training images.
    Source: Theis et al. 2016, arXiv:1511.01844, table 1.
    """
    if len(images.train.images) < 3 * count:
        raise EvaluationError(
            f"anchors of {images.train.name} need at least {3 * count} training images, got {len(images.train.images)}"
        )
    train, test = _vectors(images.train.images), _vectors(images.test.images)
    train, validation = train[:-count], train[-count:]
    samples = train[order(len(train), seed, "anchors")[:count]]
    return {
        "true_distribution": _score(samples, validation, test),
        "k_means": _score(k_means(train, samples), validation, test),
    }


def k_means(points: Tensor, centroids: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Lloyd's algorithm: centroids [K, D] after some iterations on points [N, D]; one without points stays."""
    for _ in range(iterations):
        lengths = centroids.square().sum(dim=1)
        parts = [
            torch.addmm(lengths, part, centroids.T, alpha=-2).argmin(dim=1) for part in torch.split(points, AT_ONCE)
        ]
        nearest = torch.cat(parts)
        counts = torch.bincount(nearest, minlength=len(centroids)).unsqueeze(1)
        sums = torch.zeros_like(centroids).index_add_(0, nearest, points)
        centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
    return centroids


def _score(samples: Tensor, validation: Tensor, test: Tensor) -> dict[str, float]:
    bandwidth = choose_bandwidth(samples, validation)
    mean, error = parzen_log_likelihood(samples, test, bandwidth)
    logger.info("Parzen log-likelihood %.1f ± %.1f nats at bandwidth %.3f", mean, error, bandwidth)
    return {"parzen_ll_historical": mean, "parzen_ll_historical_error": error, "bandwidth": bandwidth}


def _vectors(images: Tensor) -> Tensor:
    """uint8 [N, C, S, S] to float32 [N, C S S] in 0..1."""
    return images.flatten(1).float() / 255
