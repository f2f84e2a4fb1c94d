"""Perceptual Path Length: the change of images per small step of the latent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import full_precision
from papergan.metrics.arrays import Array, as_tensor


def path_lengths(
    generate: Callable[[Tensor], Tensor],
    embed: Callable[[Tensor], Tensor],
    between: Callable[[Tensor, Tensor, Tensor], Tensor],
    start: Array,
    end: Array,
    position: Array,
    *,
    epsilon: float = 1e-4,
) -> Tensor:
    """Squared speed of the features along the path from one latent to another, float64 [B] >= 0; lower is smoother.

    l = |f(G(z(t))) - f(G(z(t + epsilon)))|^2 / epsilon^2 with z(t) = between(start, end, t), f = embed, G = generate.
    start, end: latents [B, Z]. position: t [B] in [0, 1). between: gets float64 [B, Z], [B, Z], [B]; spherical for a
    Gaussian latent, linear for a uniform one (`Prior.between`). generate: float32 latents -> float images, the same
    images for the same latents. embed: images -> features [B, D]; values of different features are not comparable,
    and the paper's are those of LPIPS.
    Images stay floats: one step changes them by far less than a grey level, so that rounding to bytes turns almost
    every length into 0 and the others into enormous ones. Float32 leaves about three digits of a single length, more
    of the mean. G(z) = W z on straight paths has the length |W (z1 - z0)|^2.
    gan_optimisation_review (section III, item 5) calls it a metric of diversity, lower = more diverse. It measures the
    smoothness of the latent space: a collapsed generator, which generates only one image, reaches the perfect 0.
    Raises EvaluationError for other shapes, positions outside [0, 1), images of bytes, and anything not finite.
    Source: Karras et al. 2019, arXiv:1812.04948, section 4.1.
    """
    start, end = as_tensor(start, "latents"), as_tensor(end, "latents")
    position = as_tensor(position, "positions")
    _check(start, end, position, epsilon)
    first, last, at = (part.cpu().double() for part in (start, end, position))  # not every device has float64
    features = []
    with torch.no_grad(), full_precision(start.device):
        for t in (at, at + epsilon):
            images = generate(between(first, last, t).float().to(start.device))
            if not images.is_floating_point():
                raise EvaluationError(f"path lengths need float images, got {images.dtype}; do not round to pixels")
            features.append(embed(images).cpu().double())
    difference = (features[1] - features[0]) / epsilon
    if difference.ndim != 2 or len(difference) != len(position) or not bool(difference.isfinite().all()):
        raise EvaluationError(f"features must be finite [{len(position)}, D], got shape {tuple(difference.shape)}")
    return difference.square().sum(dim=1)


def trimmed_mean(lengths: Array, low: float = 0.01, high: float = 0.99) -> float:
    """Mean of the lengths [N] from the `low` to the `high` quantile, both included: PPL is this mean of path lengths.

    The quantiles are lengths that occur: the one at or below `low`, the one at or above `high`, so that fewer than
    about 100 lengths are all kept. Raises EvaluationError for no lengths, and unless 0 <= low <= high <= 1.
    Source: Karras et al. 2019, arXiv:1812.04948, code (percentiles "lower" and "higher").
    """
    lengths = as_tensor(lengths, "lengths")
    if lengths.ndim != 1 or not len(lengths) or not bool(lengths.isfinite().all()):
        raise EvaluationError(f"a trimmed mean needs finite lengths [N >= 1], got shape {tuple(lengths.shape)}")
    if not 0 <= low <= high <= 1:
        raise EvaluationError(f"a trimmed mean needs quantiles 0 <= low <= high <= 1, got {low} and {high}")
    lengths = lengths.double()
    least = lengths.quantile(low, interpolation="lower")
    most = lengths.quantile(high, interpolation="higher")
    return float(lengths[(lengths >= least) & (lengths <= most)].mean())


def _check(start: Tensor, end: Tensor, position: Tensor, epsilon: float) -> None:
    if start.ndim != 2 or end.shape != start.shape or position.shape != start.shape[:1]:
        shapes = f"{tuple(start.shape)}, {tuple(end.shape)}, {tuple(position.shape)}"
        raise EvaluationError(f"path lengths need latents [B, Z], [B, Z] and positions [B], got {shapes}")
    if not bool(((position >= 0) & (position < 1)).all()):
        raise EvaluationError("positions on a path must be in [0, 1); draw them with torch.rand")
    if not 0 < epsilon < 1:
        raise EvaluationError(f"the step along a path must be in (0, 1), got {epsilon}; the paper takes 1e-4")
