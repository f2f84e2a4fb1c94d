"""References: the features of real images that samples are compared with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import EvaluationError
from papergan.evaluation.image_features import features_of
from papergan.evaluation.protocol import EvaluationRules, Protocol, Split
from papergan.extractors.feature_extractor import FeatureExtractor, Features
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.weights import Weights

logger = logging.getLogger(__name__)
Some = TypeVar("Some")

STORED_KIND = "sight"  # in files; an old name, kept so that stored features are found
DRAW_SEED = 0  # for the subset of real images used if not all are needed


@dataclass(frozen=True)
class ExtractorFacts:
    """The identity of an extractor, without its network; the same names as in FeatureExtractor."""

    name: str
    metric_prefix: str
    digest: str
    preprocessing: str
    has_logits: bool
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, extractor: FeatureExtractor) -> ExtractorFacts:
        """The facts of this extractor."""
        return cls(**{name: getattr(extractor, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """The features of all images of one set by one extractor.

    name, digest: of the images. features: one row per image, on the host. statistics: of these features.
    """

    name: str
    digest: str
    features: Features
    statistics: FeatureStatistics

    def __len__(self) -> int:
        return len(self.features.features)

    @classmethod
    def of(
        cls,
        images: ImageSet,
        extractor: FeatureExtractor,
        batch_size: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> ImageFeatures:
        """Extract the features of every image."""
        rows = features_of(extractor, images.images, batch_size, should_stop, f"{images.name} by {extractor.name}")
        return cls(images.name, images.digest, rows, FeatureStatistics.of(rows.features))

    def some(self, count: int) -> Features:
        """`count` of the rows, the same ones every time, drawn without replacement; all if there are no more."""
        rows = reference_rows(len(self), count)
        return Features(self.features.features[rows], self.features.logits[rows])

    def to_weights(self) -> Weights:
        """Convert to weights for storage; the inverse of `from_weights`."""
        tensors = {"features": self.features.features, "logits": self.features.logits, **self.statistics.to_tensors()}
        return Weights(tensors, {"kind": STORED_KIND, "name": self.name, "images": self.digest})

    @classmethod
    def from_weights(cls, weights: Weights) -> ImageFeatures:
        """Read features stored by `to_weights`. Raises EvaluationError for any other file."""
        about, tensors = weights.metadata, weights.tensors
        if (
            about.get("kind") != STORED_KIND
            or not {"name", "images"} <= set(about)
            or not {"features", "logits"} <= set(tensors)
        ):
            raise EvaluationError("this file holds no features of real images; delete it, it will be made again")
        features = Features(tensors["features"], tensors["logits"])
        return cls(about["name"], about["images"], features, FeatureStatistics.from_tensors(tensors))


@dataclass(frozen=True, eq=False)
class Reference:
    """One extractor's features of the real images that samples are compared with.

    real: the images of `split`. held_out: those of the other split, None if there are none. floor: Frechet distance of
    `floor_count` held-out images from the real ones, which perfect samples reach at that size; see `floor_at`.
    """

    extractor: ExtractorFacts
    split: Split
    real: ImageFeatures
    held_out: ImageFeatures | None
    floor: float | None
    floor_count: int
    _floors: dict[int, float] = field(default_factory=dict, init=False, repr=False)  # of smaller counts

    @classmethod
    def between(
        cls,
        extractor: ExtractorFacts,
        real: ImageFeatures,
        held_out: ImageFeatures | None,
        split: Split,
        floor_samples: int,
    ) -> Reference:
        """floor_samples: number of held-out images for the floor, since the distance depends on the count."""
        if held_out is None:
            return cls(extractor, split, real, None, None, 0)
        some = FeatureStatistics.of(held_out.some(floor_samples).features)
        floor = frechet_distance(some, real.statistics)
        logger.info("%sfid of %d images of %s: %.4g", extractor.metric_prefix, some.count, held_out.name, floor)
        return cls(extractor, split, real, held_out, floor, some.count)

    @property
    def train_and_test(self) -> tuple[ImageFeatures | None, ImageFeatures | None]:
        """Features of the training images and of the test images, whichever split is the reference."""
        return train_and_test(self.split, self.real, self.held_out)

    def floor_at(self, count: int) -> tuple[float | None, int]:
        """The floor for `count` samples, and the number of held-out images behind it: as many if available.

        A Frechet distance falls with the number of samples, so only distances at equal counts may be divided.
        """
        if self.floor is None or self.held_out is None or count >= self.floor_count:
            return self.floor, self.floor_count
        if count not in self._floors:
            some = FeatureStatistics.of(self.held_out.some(count).features)
            self._floors[count] = frechet_distance(some, self.real.statistics)
        return self._floors[count], count

    def protocol(self, rules: EvaluationRules) -> Protocol:
        """The protocol of these rules with this extractor and these real images."""
        return Protocol(
            **asdict(rules.within(rules.num_samples, len(self.real))),
            extractor=self.extractor.name,
            extractor_digest=self.extractor.digest,
            preprocessing=self.extractor.preprocessing,
            reference_name=self.real.name,
            reference_digest=self.real.digest,
            reference_count=len(self.real),
            held_out_digest="" if self.held_out is None else self.held_out.digest,
            held_out_count=0 if self.held_out is None else len(self.held_out),
            floor_count=min(rules.num_samples, self.floor_count),
        )

    def check(self, extractor: FeatureExtractor) -> None:
        """Raise EvaluationError unless this reference was computed with exactly this extractor."""
        mine, theirs = (
            (facts.name, facts.digest, facts.preprocessing) for facts in (self.extractor, ExtractorFacts.of(extractor))
        )
        if mine != theirs:
            raise EvaluationError(
                f"the reference {self.real.name} was made with another extractor "
                f"(then {mine[1][:12]} {mine[2][:24]!r}, now {theirs[1][:12]} {theirs[2][:24]!r}); build it again"
            )


References = Mapping[str, Reference]  # by the extractor's name


def reference_and_held_out(images: ImageSplits, reference: Split) -> tuple[ImageSet, ImageSet]:
    """The split that samples are compared with, and the other split, which is held out."""
    return (images.train, images.test) if reference == "train" else (images.test, images.train)


def train_and_test(reference: Split, real: Some, held_out: Some) -> tuple[Some, Some]:
    """Reorder reference and held-out images, or values derived from them, as training and test."""
    return (real, held_out) if reference == "train" else (held_out, real)


def check_references(extractors: Iterable[FeatureExtractor], references: References) -> None:
    """Raise EvaluationError if the reference of an extractor is missing or belongs to another extractor."""
    for extractor in extractors:
        if extractor.name not in references:
            raise EvaluationError(f"there is no reference for the extractor {extractor.name!r}; build it first")
        references[extractor.name].check(extractor)


def reference_rows(total: int, count: int) -> Tensor:
    """Indices int64 [min(count, total)] of a fixed random subset of real images; in order if all are taken.

    The same whatever the rules' seed, so that all runs are compared with the same images. Generated images are drawn by
    `papergan.metrics.random_subsets`, independently of these.
    """
    if count >= total:
        return torch.arange(total)
    return torch.randperm(total, generator=torch.Generator().manual_seed(DRAW_SEED))[:count]
