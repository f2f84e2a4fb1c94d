"""Score samples against real images: one pass over the samples, every extractor at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.features import FeatureExtractor, batches_of
from papergan.evaluation.fid import frechet_distance
from papergan.evaluation.inception_score import inception_score
from papergan.evaluation.reference import Reference, statistics_device
from papergan.evaluation.statistics import FeatureStatistics

logger = logging.getLogger(__name__)


class _Tally:
    """What one extractor has seen so far."""

    def __init__(self, extractor: FeatureExtractor, reference: Reference | None) -> None:
        if reference is None:
            raise EvaluationError(f"there is no reference for the extractor {extractor.name!r}; build it first")
        reference.check(extractor)
        self.extractor, self.reference = extractor, reference
        self.statistics: FeatureStatistics | None = None
        self.logits: list[Tensor] = []

    def update(self, pixels: Tensor) -> None:
        seen = self.extractor(pixels)
        if self.statistics is None:
            self.statistics = FeatureStatistics(self.extractor.dimension, statistics_device(seen.features))
        self.statistics.update(seen.features)
        self.logits.append(seen.logits.cpu())

    def scores(self, splits: int, seed: int) -> dict[str, float]:
        if self.statistics is None:
            raise EvaluationError("there are no samples to score")
        prefix, count, dimension = self.extractor.metric_prefix, self.statistics.count, self.extractor.dimension
        if count <= dimension:
            logger.warning("%sfid of %d samples in %d dimensions is mostly bias; take more", prefix, count, dimension)
        inception = inception_score(torch.cat(self.logits), splits, seed)
        return {
            f"{prefix}fid": frechet_distance(self.statistics, self.reference.statistics),
            f"{prefix}fid_floor": self.reference.floor,
            f"{prefix}is_mean": inception.mean,
            f"{prefix}is_std": inception.std,
            f"{prefix}num_samples": float(count),
        }


def score_samples(
    batches: Iterable[Tensor],
    extractors: Sequence[FeatureExtractor],
    references: Mapping[str, Reference],
    *,
    splits: int = 10,
    seed: int = 0,
    batch_size: int = 250,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, float]:
    """Every score of a stream of generated images, uint8 [B, C, S, S], gone through once.

    Returns, for Inception, `fid`, `fid_floor`, `is_mean`, `is_std` and `num_samples`; for the domain classifier the
    same names behind `domain_`. splits, seed: of the Inception Score.
    Raises EvaluationError before the first sample where a reference is missing or of another extractor.
    """
    tallies = [_Tally(extractor, references.get(extractor.name)) for extractor in extractors]
    for pixels in batches_of(batches, batch_size, should_stop):
        for tally in tallies:
            tally.update(pixels)
    return {name: value for tally in tallies for name, value in tally.scores(splits, seed).items()}
