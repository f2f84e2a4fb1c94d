"""Memorisation: whether a generator repeats training images, as two numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import check_pixels
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.nearest_neighbours import nearest


@dataclass(frozen=True)
class Memorisation:
    """Copies among generated images.

    copy_rate: 0..1, about the quantile for a generator that copies nothing. distance_ratio: 1 = like unseen images,
    0 = copies.
    """

    copy_rate: float
    distance_ratio: float


def memorisation(
    fake: Array, held_out: Array, train: Array | Iterable[Array], *, quantile: float = 0.01, block: int = 2048
) -> Memorisation:
    """How much nearer fakes lie to the training images than unseen real images do.

    d(x) = min_t |x - t| over the training vectors t, Euclidean;
    copy_rate = share of fakes with d < the `quantile` of d over the held-out vectors (interpolated), or with d = 0;
    distance_ratio = median d of the fakes / median d of the held-out.
    fake [N, D], held_out [M, D], train [T, D], or parts of it that need not fit into memory together: features or
    `pixel_vectors`, any float type. A sample of the same distribution scores about `quantile` and 1, however large T
    is; a real image that is in both parts of the split lowers the threshold for all.
    Features find shifted copies, pixels find blurred ones, mirrored training vectors find flipped ones: use all three.
    Fakes far from everything score 0 too, so a low value is good only next to a good distance of the distributions.
    Raises EvaluationError for a quantile outside (0, 1), for held-out vectors half of which are training vectors,
    for empty sets, different dimensions, and vectors that are not finite.
    Source: design of this project; purwono2025, section V.E, names the risk without a measure. Compare Meehan et
    al. 2020, arXiv:2004.05675, section 3, who test the same two sets of distances by ranks.
    """
    if not 0 < quantile < 1:
        raise EvaluationError(f"the quantile of held-out distances must be between 0 and 1, got {quantile}")
    fake, held_out = as_tensor(fake, "fake vectors"), as_tensor(held_out, "held-out vectors")
    fake_distance, held_out_distance = _distances(fake, held_out, train, block)
    usual = float(held_out_distance.quantile(0.5))
    if usual == 0:
        raise EvaluationError("half of the held-out images are training images; separate the splits before comparing")
    copied = (fake_distance < held_out_distance.quantile(quantile)) | (fake_distance == 0)
    return Memorisation(
        copy_rate=float(copied.double().mean()), distance_ratio=float(fake_distance.quantile(0.5)) / usual
    )


def _distances(fake: Tensor, held_out: Tensor, train: Array | Iterable[Array], block: int) -> tuple[Tensor, Tensor]:
    """Distances of both to their nearest training vector, float64 [N] and [M]."""
    found = [torch.full((len(some),), torch.inf, device=some.device) for some in (fake, held_out)]
    in_parts = isinstance(train, Iterable) and not isinstance(train, Tensor | np.ndarray)
    for part in train if in_parts else [train]:
        vectors = as_tensor(part, "training vectors")
        for squares, queries in zip(found, (fake, held_out), strict=True):
            torch.minimum(squares, nearest(queries, vectors, 1, block=block)[0][:, 0], out=squares)
    return found[0].double().sqrt(), found[1].double().sqrt()


def pixel_vectors(pixels: Array, mirror: bool = False) -> Tensor:
    """Images as vectors: uint8 [N, C, S, S] -> float32 [N, C*S*S] in 0..1, or [2N, C*S*S] with `mirror`.

    mirror: the left-right mirrored images follow, so that among training vectors a flipped copy is found as well;
    the original of row i is i modulo N. Raises EvaluationError for anything but uint8 [N, C, S, S].
    """
    pixels = as_tensor(pixels, "images")
    check_pixels(pixels)
    images = torch.cat([pixels, pixels.flip(-1)]) if mirror else pixels
    return images.flatten(1).float().div_(255)
