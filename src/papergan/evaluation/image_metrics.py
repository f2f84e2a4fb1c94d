"""The metrics of this project for any images: arrays, tensors, folders, archives; and as an object for a loop."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from papergan.atomic_files import path_from
from papergan.data.folder import read_images
from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.evaluation.compute_metrics import GROUPS, Group, MetricValues, score_features
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.image_features import extract_features
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.extractors.build import build_extractors
from papergan.extractors.feature_extractor import CustomExtractor, FeatureExtractor, Features, Network
from papergan.extractors.settings import ExtractorSettings
from papergan.messages import quoted
from papergan.metrics.arrays import as_tensor
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.weights import Weights

if TYPE_CHECKING:
    import numpy as np

    Images = str | Path | np.ndarray[Any, Any] | Tensor | ImageSet

Named = Literal["inception", "torchvision"]
REAL, FAKE = True, False
KINDS = tuple(group for group in GROUPS if group != "copies")  # for a loop, where no images are held out


def evaluate(
    fake: Images, real: Images, held_out: Images | None = None, *, extractor: Named | Network = "inception",
    weights: str | None = None, device: torch.device | str = "cpu", batch_size: int = 250, seed: int = 0,
    size: int | None = None, **counts: int,
) -> MetricValues:  # fmt: skip
    """Every metric of `fake` against `real`: FID, KID, IS, precision, recall, density, coverage, copies, MS-SSIM.

    fake, real, held_out: uint8 arrays [N, H, W, C] or tensors [N, C, H, W], an `ImageSet`, or a folder or file as
    accepted by `papergan.data.folder.read_images`. held_out: further real images, for copy rates and the FID that
    unseen real images reach ("fid_floor"). extractor: "inception" (torch-fidelity's weights, from `weights`, torch's
    cache, or downloaded), "torchvision", or your own network, see `CustomExtractor`, with metrics named "custom_fid"
    and so on. size: to which images from files are resized. counts: fields of `EvaluationRules`, for example
    kid_subsets=50. Raises DataError and EvaluationError, one line each, for images and counts that do not fit.
    """
    sides = {"fake": fake, "real": real} | ({} if held_out is None else {"held_out": held_out})
    sets = {name: image_set(images, name, size) for name, images in sides.items()}
    shapes = {name: list(one.images.shape[1:]) for name, one in sets.items()}
    if len({shape[0] for shape in shapes.values()}) > 1:
        raise EvaluationError(f"images differ in channels: {shapes}; make all of them grey, or all RGB")
    if len({tuple(shape) for shape in shapes.values()}) > 1:
        raise EvaluationError(f"images differ in size: {shapes}; give size=PIXELS for folders, or resize arrays")
    network = extractor_named(extractor, weights, device)
    rules = rules_of(len(sets["fake"]), len(sets["real"]), seed, counts)
    facts = [ImageFeatures.of(sets[name], network, batch_size) for name in ("real", "held_out") if name in sets]
    of_held_out = facts[1] if len(facts) > 1 else None
    reference = Reference.between(ExtractorFacts.of(network), facts[0], of_held_out, "train", len(sets["fake"]))
    evaluator = Evaluator(
        [network], {network.name: reference}, real=sets["real"], held_out=sets.get("held_out"), device=device,
        batch_size=batch_size,
    )  # fmt: skip
    return evaluator.score([sets["fake"].images], rules, what="fake")


class ImageMetrics:
    """Metrics of generated against real images that arrive in batches, for your own training loop.

    The interface is that of torchmetrics: `update(images, real=...)`, `compute()`, `reset()`, `merge_state(other)`.
    Images are not kept, so pixel metrics are left out.

        metrics = ImageMetrics("inception", metrics=("fid",), device="cuda")
        for batch in loader: metrics.update(batch, real=True)       # uint8 [B, C, H, W]
        for _ in range(80):  metrics.update(fakes(), real=False)
        metrics.compute()["fid"]
    """

    def __init__(
        self, extractor: Named | Network = "inception", *, metrics: Collection[Group] = KINDS,
        weights: str | None = None, device: torch.device | str = "cpu", seed: int = 0, reset_real: bool = False,
        **counts: int,
    ) -> None:  # fmt: skip
        """metrics: "fid", "kid", "deviations" (of both), "neighbours" (precision, recall, density, coverage) and "is".

        "fid" alone takes the same memory for any number of images, 8 D^2 bytes for each side: 34 MB for Inception.
        "kid", "deviations" and "neighbours" keep features, 4 D bytes for each image, and "is" logits, 4 K bytes: with
        Inception 82 MB and 40 MB for 10 000 images. reset_real: whether `reset` also discards the real images.
        counts: fields of `EvaluationRules`.
        """
        unknown = sorted(set(metrics) - set(KINDS))
        if unknown or not metrics:
            raise EvaluationError(f"metrics: expected some of {', '.join(KINDS)}, got {quoted(unknown or metrics)}")
        rules_of(1, 1, seed, counts)  # an unknown count is named before any image is read
        self.extractor, self.metrics = extractor_named(extractor, weights, device), frozenset(metrics)
        self.device, self.seed, self.reset_real, self._counts = device, seed, reset_real, counts
        self._sides = {side: self._nothing() for side in (REAL, FAKE)}
        self._reference: Reference | None = None

    def update(self, images: Tensor | np.ndarray[Any, Any], *, real: bool) -> None:
        """Add a batch: uint8 tensor [B, C, H, W] or array [B, H, W, C]."""
        batch = image_set(images, "real" if real else "fake")
        seen = extract_features([batch.images], [self.extractor])
        self._sides[real].add(seen.features[self.extractor.name])
        if real:
            self._reference = None

    def compute(self) -> MetricValues:
        """The metrics of all images so far. Raises EvaluationError if one side has no images."""
        real, fake = (self._features(side) for side in (REAL, FAKE))
        if self._reference is None:
            facts = ImageFeatures("real", "", real, self._sides[REAL].statistics)
            self._reference = Reference.between(ExtractorFacts.of(self.extractor), facts, None, "train", 0)
        rules = rules_of(len(fake.features), len(real.features), self.seed, self._counts)
        return score_features(
            fake, self._reference, rules, self.device, groups=self.metrics, statistics=self._sides[FAKE].statistics
        )

    def reset(self) -> None:
        """Discard the generated images, and the real ones if `reset_real` is set."""
        self._sides[FAKE] = self._nothing()
        if self.reset_real:
            self._sides[REAL], self._reference = self._nothing(), None

    def merge_state(self, other: ImageMetrics) -> None:
        """Add all images that another object has seen; that object is not changed.

        Raises EvaluationError if it has another extractor or other metrics.
        """
        mine, theirs = (
            (one.extractor.name, one.extractor.digest, one.extractor.preprocessing) for one in (self, other)
        )
        if mine != theirs or self.metrics != other.metrics:
            raise EvaluationError("merge_state: expected an object with the same extractor and the same metrics")
        if not any(len(side) for side in self._sides.values()):
            self.extractor = other.extractor  # whether a custom network has logits is known once it has run
        for side, merged in self._sides.items():
            merged.merge(other._sides[side])
        self._reference = None

    @property
    def nbytes(self) -> int:
        """Bytes of memory kept for the images so far."""
        return sum(side.nbytes for side in self._sides.values())

    def _nothing(self) -> KeptFeatures:
        rows, logits = bool(self.metrics & {"kid", "deviations", "neighbours"}), "is" in self.metrics
        return KeptFeatures(self.device, rows=rows, logits=logits)

    def _features(self, side: bool) -> Features:
        if not len(self._sides[side]):
            raise EvaluationError(f"no {'real' if side else 'generated'} images yet: update(images, real={side})")
        return self._sides[side].joined()


class KeptFeatures:
    """Kept features of a stream of images: running sums, and optionally rows."""

    def __init__(self, device: torch.device | str, *, rows: bool, logits: bool) -> None:
        self._place = device if torch.device(device).type in ("cpu", "cuda") else "cpu"  # other devices have no float64
        self.statistics = FeatureStatistics(0, self._place)  # the first batch sets the number of features
        self._parts: list[Features] = []
        self._rows, self._logits = rows, logits

    def __len__(self) -> int:
        return sum(len(part.features) for part in self._parts)

    def add(self, seen: Features) -> None:
        """Add a batch; parts that are not kept become tensors without columns."""
        if not self._parts:
            self.statistics = FeatureStatistics(seen.features.shape[1], self._place)
        self.statistics.update(seen.features)
        features, logits = (
            part if keep else part.new_empty(len(part), 0)
            for part, keep in zip(seen, (self._rows, self._logits), strict=True)
        )
        self._parts.append(Features(features, logits))

    def merge(self, other: KeptFeatures) -> None:
        """Add the kept features of another stream."""
        if not other._parts:
            return
        if self._parts:
            self.statistics = self.statistics.merge(other.statistics)
        else:
            self.statistics = FeatureStatistics(other.statistics.dimension, self._place).merge(other.statistics)
        self._parts.extend(other._parts)

    def joined(self) -> Features:
        """One row for each image; concatenates the kept parts."""
        if len(self._parts) > 1:
            self._parts = [Features(*(torch.cat(rows) for rows in zip(*self._parts, strict=True)))]
        return self._parts[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        tensors = (*self.statistics.to_tensors().values(), *(tensor for part in self._parts for tensor in part))
        return sum(tensor.nbytes for tensor in tensors)


def image_set(images: Images, name: str, size: int | None = None) -> ImageSet:
    """Images as an ImageSet. Raises DataError or EvaluationError for other types, shapes and ranges."""
    if isinstance(images, ImageSet):
        return images
    if isinstance(images, str | Path):
        return read_images(path_from(images), name=name, size=size)
    channels_last = not isinstance(images, Tensor)
    pixels = as_tensor(images, name).cpu()
    if channels_last and pixels.ndim == 3:
        pixels = pixels[..., None]
    if channels_last and pixels.ndim == 4:
        pixels = pixels.permute(0, 3, 1, 2)
    return ImageSet(name, pixels.contiguous(), torch.zeros(len(pixels), dtype=torch.int64))


def extractor_named(
    extractor: Named | Network, weights: str | None = None, device: torch.device | str = "cpu"
) -> FeatureExtractor:
    """A feature extractor by name, or a network as one. Raises EvaluationError if weights are missing."""
    if not isinstance(extractor, str):
        return CustomExtractor(extractor, device)
    if extractor not in ("inception", "torchvision"):
        raise EvaluationError(f"unknown extractor {extractor!r}: inception, torchvision, or a network of your own")
    chosen: dict[str, Any] = {"inception": False, "domain": False, extractor: True, f"{extractor}_weights": weights}
    return build_extractors(ExtractorSettings(**chosen), torch.device(device), Weights({}))[0]


def rules_of(num_fake: int, num_real: int, seed: int, counts: dict[str, int]) -> EvaluationRules:
    """The rules of this project's final evaluations for these numbers of images. counts: overrides of the rules."""
    known = {"memorisation_samples": 1000, "bootstrap": 20, **counts}
    try:
        rules = EvaluationRules(num_samples=num_fake, seed=seed, **known)  # type: ignore[arg-type]
    except TypeError as error:
        what = str(error).rpartition(" got ")[2]
        raise EvaluationError(f"evaluate: {what}; counts are fields of EvaluationRules") from None
    return rules.within(num_fake, num_real)
