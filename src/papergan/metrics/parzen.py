"""Log-likelihood under a Parzen window on the samples: historical, only for comparison with the first papers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.random_subsets import random_rows

BANDWIDTHS = tuple(10 ** (step / 9 - 1) for step in range(10))  # 0.1 to 1, the grid of the paper's script
POINTS_PER_BLOCK = 100  # against 10000 samples, one block of distances takes 8 MB


def parzen_log_likelihood(samples: Array, test: Array, bandwidth: float) -> tuple[float, float]:
    """Mean log density of the test points, and its standard error, both in nats; a higher mean is better.

    log p(x) = log 1/N sum_i exp(-|x - s_i|^2 / (2 h^2)) - D/2 log(2 pi h^2), h = bandwidth, distances in float64.
    samples [N, D], test [M, D]: flattened images, with values in 0..1 to compare with the papers: a factor c on every
    value subtracts D log c. The error is the deviation (ddof 0) of log p(x) over the test points, over sqrt(M).
    Historical: do not rank models by it. It rewards coverage, not realism: k-means centroids score higher than
    real training images, and in hundreds of dimensions no affordable number of samples makes it a likelihood
    (Theis et al. 2016, arXiv:1511.01844, on Parzen window estimates).
    Raises EvaluationError for other shapes, no points, values that are not finite, and bandwidths <= 0.
    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 5; Breuleux et al. 2009.
    """
    densities = _log_densities(samples, test, [bandwidth])[0]
    return float(densities.mean()), float(densities.std(correction=0)) / math.sqrt(len(test))


def choose_bandwidth(samples: Array, validation: Array, candidates: Sequence[float] = BANDWIDTHS) -> float:
    """The bandwidth h under which held-out real images are most likely; the first one of a tie.

    validation [M, D]: neither the test images nor those the model was trained on (1000 in the paper's script).
    The default candidates are for values in 0..1. Raises EvaluationError as `parzen_log_likelihood` does.
    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 5.
    """
    return _likeliest(samples, validation, candidates)[0]


def _likeliest(samples: Array, validation: Array, candidates: Sequence[float]) -> tuple[float, float]:
    """The bandwidth that `choose_bandwidth` describes, and the mean log density of the validation points under it."""
    if not candidates:
        raise EvaluationError("choosing a bandwidth needs at least one candidate")
    means = _log_densities(samples, validation, candidates).mean(dim=1)
    best = int(means.argmax())
    return float(candidates[best]), float(means[best])


def _log_densities(samples: Array, points: Array, bandwidths: Sequence[float]) -> Tensor:
    """Log p(x) of [M, D] points under each bandwidth, float64 [len(bandwidths), M]."""
    samples, points = as_tensor(samples, "samples"), as_tensor(points, "points")
    _check(samples, points, bandwidths)
    centre = samples.double().mean(dim=0)  # only differences count, and around the centre they lose no digits
    samples, points = samples.double() - centre, points.double() - centre
    blocks = []
    for block in torch.split(points, POINTS_PER_BLOCK):
        lengths = block.square().sum(dim=1, keepdim=True) + samples.square().sum(dim=1)
        distances = torch.addmm(lengths, block, samples.T, alpha=-2).clamp_min_(0)
        nearest = distances.amin(dim=1)
        # relative to the nearest, exponentials lie in 0..1, where float32 has enough digits
        further = distances.sub_(nearest[:, None]).float()
        sums = [torch.exp(further * (-0.5 / (h * h))).sum(dim=1).double().log() for h in bandwidths]
        blocks.append(torch.stack([s - nearest / (2 * h * h) for s, h in zip(sums, bandwidths, strict=True)]))
    constants = [samples.shape[1] / 2 * math.log(2 * math.pi * h * h) + math.log(len(samples)) for h in bandwidths]
    return torch.cat(blocks, dim=1) - torch.tensor(constants, dtype=torch.float64, device=samples.device).unsqueeze(1)


def _check(samples: Tensor, points: Tensor, bandwidths: Sequence[float]) -> None:
    if samples.ndim != 2 or points.ndim != 2 or samples.shape[1] != points.shape[1] or not len(samples) * len(points):
        shapes = f"{tuple(samples.shape)} and {tuple(points.shape)}"
        raise EvaluationError(f"a Parzen window needs samples [N, D] and points [M, D], got {shapes}; flatten images")
    if not bool(samples.isfinite().all() & points.isfinite().all()):
        raise EvaluationError("a Parzen window needs finite values; the samples or the images contain NaN or infinity")
    wrong = [h for h in bandwidths if not 0 < h < math.inf]
    if wrong:
        raise EvaluationError(f"the bandwidth of a Parzen window must be positive and finite, got {wrong[0]}")


ROWS_AT_ONCE = 1000  # against 10000 centroids, one block of distances takes 40 MB


class ParzenScore(NamedTuple):
    """The mean log-likelihood in nats, its standard error, and the bandwidth of the window.

    validation: the mean log-likelihood of the points by which the bandwidth was chosen.
    """

    mean: float
    error: float
    bandwidth: float
    validation: float


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
    """The scores of "training images" and of "k-means", computed like those of a generator's samples.

    train [N, D], validation [V, D], test [M, D]: flattened images with values in 0..1. samples: the number of
    training images drawn with `seed`, and of centroids, which start from these. The bandwidth is chosen on the
    validation images. Centroids, which are blurred and useless as images, outperform the images themselves: this is
    why the likelihood ranks nothing. Raises EvaluationError if there are fewer training images than samples.
    Source: Theis, van den Oord and Bethge 2016, arXiv:1511.01844, table 1, which does not describe how either was done.
    """
    train = as_tensor(train, "training images")
    if len(train) < samples:
        raise EvaluationError(f"{samples} samples cannot be taken from {len(train)} training images; give fewer")
    drawn = train[random_rows(len(train), samples, seed, "parzen anchors")]
    anchors = {"training images": drawn, "k-means": k_means(train, drawn, iterations)}
    return {name: parzen_score(points, validation, test, bandwidths) for name, points in anchors.items()}


def parzen_score(samples: Array, validation: Array, test: Array, bandwidths: Sequence[float]) -> ParzenScore:
    """The likelihood of the test points, with the bandwidth chosen on the validation points.

    Raises EvaluationError as `parzen_log_likelihood` does.
    """
    bandwidth, likelihood = _likeliest(samples, validation, bandwidths)
    return ParzenScore(*parzen_log_likelihood(samples, test, bandwidth), bandwidth, likelihood)


def k_means(points: Tensor, centroids: Tensor, iterations: int) -> Tensor:
    """Centroids [K, D] of points [N, D] after this many iterations from given ones, or once none moves; float32.

    Each point belongs to its nearest centroid, each centroid becomes the mean of its points, if it has any.
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
