"""Features of images: one pass over the images with every extractor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import FeatureExtractor, Features, batches_of
from papergan.metrics.random_subsets import Reservoir


@dataclass(frozen=True, eq=False)
class SampleFeatures:
    """Features of a stream of images by every extractor, and a random subset of the images.

    features: by the extractor's name, one row per image, on the host. pixels: a random subset of the images, in their
    order, uint8 [n, C, S, S]. count: number of images in the stream. labels: int64 [N], the classes that a conditional
    generator was conditioned on; None for any other.
    """

    features: dict[str, Features]
    pixels: Tensor
    count: int
    labels: Tensor | None = None


def extract_features(
    batches: Tensor | Iterable[Tensor],
    extractors: Sequence[FeatureExtractor],
    *,
    keep: int = 0,
    seed: int = 0,
    first: int = 0,
    batch_size: int = 250,
    total: int | None = None,
    should_stop: Callable[[], bool] | None = None,
    what: str = "images",
) -> SampleFeatures:
    """Apply every extractor in one pass over uint8 [N, C, S, S], or a stream of such tensors.

    keep: how many images to keep, drawn without replacement by `seed` (see Reservoir: the stream may end anywhere).
    first: the position of the first image, if this is a part of a longer stream. total, what: for the progress bar.
    Raises EvaluationError if there are no images, EvaluationStopped once `should_stop()` is true.
    """
    rows: dict[str, list[Features]] = {extractor.name: [] for extractor in extractors}
    reservoir = Reservoir(keep, seed, first)
    count = 0
    for pixels in batches_of(batches, batch_size, should_stop, total=total, what=what):
        reservoir.offer(pixels)
        count += len(pixels)
        for extractor in extractors:
            features, logits = extractor(pixels)
            rows[extractor.name].append(Features(features.cpu(), logits.cpu()))
    if not count:
        raise EvaluationError("there are no images to evaluate")
    stacked = {
        name: Features(torch.cat([row.features for row in parts]), torch.cat([row.logits for row in parts]))
        for name, parts in rows.items()
    }
    return SampleFeatures(stacked, reservoir.kept(), count)


def features_of(
    extractor: FeatureExtractor,
    pixels: Tensor,
    batch_size: int,
    should_stop: Callable[[], bool] | None = None,
    what: str = "images",
) -> Features:
    """Features and logits of uint8 [N, C, S, S], one row per image, on the host."""
    found = extract_features(
        pixels, [extractor], batch_size=batch_size, total=len(pixels), should_stop=should_stop, what=what
    )
    return found.features[extractor.name]
