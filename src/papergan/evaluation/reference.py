"""The real images as each extractor sees them: what samples are compared with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import EvaluationError
from papergan.evaluation.features import FeatureExtractor, extract
from papergan.evaluation.fid import frechet_distance
from papergan.evaluation.protocol import Protocol
from papergan.evaluation.statistics import FeatureStatistics
from papergan.weights import Weights

logger = logging.getLogger(__name__)

FLOOR_SEED = 0


@dataclass(frozen=True)
class Reference:
    """What samples are compared with: the training images, as one extractor sees them.

    statistics: of all training images. floor: Frechet distance of `floor_count` test images from the training images,
    the least an unlearned sample of that size can reach. data_name, data_digest: of the training images.
    """

    extractor: str
    extractor_digest: str
    preprocessing: str
    data_name: str
    data_digest: str
    floor: float
    floor_count: int
    statistics: FeatureStatistics

    def protocol(self, *, num_samples: int, weights: Literal["ema", "raw"], splits: int, seed: int) -> Protocol:
        """The rules under which `num_samples` generated images are scored against this reference."""
        return Protocol(
            extractor=self.extractor,
            extractor_digest=self.extractor_digest,
            preprocessing=self.preprocessing,
            num_samples=num_samples,
            reference_name=self.data_name,
            reference_split="train",
            reference_digest=self.data_digest,
            reference_count=self.statistics.count,
            weights=weights,
            inception_splits=splits,
            seed=seed,
        )

    def check(self, extractor: FeatureExtractor) -> None:
        """Raise EvaluationError unless this reference was made with exactly this extractor."""
        ours = {"name": self.extractor, "digest": self.extractor_digest, "preprocessing": self.preprocessing}
        for what, stored in ours.items():
            now = getattr(extractor, what)
            if stored != now:
                raise EvaluationError(
                    f"the reference of {self.data_name} was made with another extractor "
                    f"({what} {stored[:24]!r}, now {now[:24]!r}); build the reference again"
                )

    def to_weights(self) -> Weights:
        """For storage; the inverse of `from_weights`."""
        texts = {name: str(value) for name, value in vars(self).items() if name != "statistics"}
        return Weights({n: t.cpu() for n, t in self.statistics.to_tensors().items()}, {"kind": "reference", **texts})

    @classmethod
    def from_weights(cls, weights: Weights) -> Reference:
        """Read what `to_weights` wrote. Raises EvaluationError for any other file."""
        texts = dict(weights.metadata)
        if texts.pop("kind", None) != "reference" or set(texts) != set(cls.__dataclass_fields__) - {"statistics"}:
            raise EvaluationError(
                "this file holds no reference statistics of this version; delete it and build it again"
            )
        return cls(
            extractor=texts["extractor"],
            extractor_digest=texts["extractor_digest"],
            preprocessing=texts["preprocessing"],
            data_name=texts["data_name"],
            data_digest=texts["data_digest"],
            floor=float(texts["floor"]),
            floor_count=int(texts["floor_count"]),
            statistics=FeatureStatistics.from_tensors(weights.tensors),
        )


def build_reference(
    splits: ImageSplits,
    extractors: Sequence[FeatureExtractor],
    batch_size: int,
    *,
    floor_samples: int | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Reference]:
    """One Reference per extractor, by the extractor's name.

    floor_samples: how many test images the floor is taken from, drawn once with a fixed seed; set it to the number of
    generated samples, since the distance depends on the count. None, or more than there are: all of them.
    """
    test = _draw(splits.test, floor_samples)
    references = {}
    for extractor in extractors:
        train_statistics = statistics_of(extractor, splits.train.images, batch_size, should_stop)
        test_statistics = statistics_of(extractor, test, batch_size, should_stop)
        floor = frechet_distance(test_statistics, train_statistics)
        logger.info("%sfid of %d %s images: %.4g", extractor.metric_prefix, len(test), splits.test.name, floor)
        references[extractor.name] = Reference(
            extractor=extractor.name,
            extractor_digest=extractor.digest,
            preprocessing=extractor.preprocessing,
            data_name=splits.train.name,
            data_digest=splits.train.digest,
            floor=floor,
            floor_count=len(test),
            statistics=train_statistics,
        )
    return references


def statistics_of(
    extractor: FeatureExtractor, pixels: Tensor, batch_size: int, should_stop: Callable[[], bool] | None = None
) -> FeatureStatistics:
    """Statistics of the extractor's features over uint8 [N, C, S, S]."""
    statistics: FeatureStatistics | None = None
    for seen in extract(extractor, pixels, batch_size, should_stop):
        statistics = statistics or FeatureStatistics(extractor.dimension, statistics_device(seen.features))
        statistics.update(seen.features)
    if statistics is None:
        raise EvaluationError("there are no images to take statistics of")
    return statistics


def statistics_device(features: Tensor) -> torch.device:
    """Where to gather float64 statistics: beside the features on a GPU, on the CPU where the device has no float64."""
    return features.device if features.device.type == "cuda" else torch.device("cpu")


def _draw(images: ImageSet, count: int | None) -> Tensor:
    """All images, or `count` of them, the same ones every time."""
    if count is None or count >= len(images):
        return images.images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(FLOOR_SEED))
    return images.images[order[:count]]
