"""The metrics of this project for anybody's images: arrays, tensors, folders, archives; and as an object in a loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from papergan.data.folder import read_images
from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.evaluation.compute_metrics import Scores, score_features
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.image_features import extract_features
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference
from papergan.extractors.build import build_extractors
from papergan.extractors.custom import CustomExtractor, Network
from papergan.extractors.feature_extractor import FeatureExtractor, Features
from papergan.extractors.settings import ExtractorSettings
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.weights import Weights

if TYPE_CHECKING:
    import numpy as np

    Images = str | Path | np.ndarray[Any, Any] | Tensor | ImageSet

Named = Literal["inception", "torchvision"]
REAL, FAKE = True, False


def evaluate(
    fake: Images, real: Images, held_out: Images | None = None, *, extractor: Named | Network = "inception",
    weights: str | None = None, device: torch.device | str = "cpu", batch_size: int = 250, seed: int = 0,
    size: int | None = None, **counts: int,
) -> Scores:  # fmt: skip
    """Every metric of `fake` against `real`: FID, KID, IS, precision, recall, density, coverage, copies, MS-SSIM.

    fake, real, held_out: uint8 arrays [N, H, W, C] or tensors [N, C, H, W], an `ImageSet`, or a folder or file as
    `papergan.data.folder.read_images` takes them. held_out: further real images, for copy rates and the FID that unseen
    real images reach ("fid_floor"). extractor: "inception" (torch-fidelity's weights, from `weights`, torch's cache, or
    downloaded), "torchvision", or a network of one's own, see `CustomExtractor`, whose metrics are "custom_fid" and so
    on. size: to which images of files are resized. counts: fields of `EvaluationRules`, for example kid_subsets=50.
    Raises DataError and EvaluationError, one line each, for images and counts that do not fit.
    """
    sides = {"fake": fake, "real": real} | ({} if held_out is None else {"held_out": held_out})
    sets = {name: image_set(images, name, size) for name, images in sides.items()}
    shapes = {name: list(one.images.shape[1:]) for name, one in sets.items()}
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
    """Metrics of generated against real images that arrive in batches, for somebody's own training loop.

    As torchmetrics has it: `update(images, real=...)`, `compute()`, `reset()`. Features are kept, images are not, so
    that metrics of pixels are left out. reset_real: whether `reset` forgets the real images as well.

        metrics = ImageMetrics("inception", device="cuda")
        for batch in loader: metrics.update(batch, real=True)       # uint8 [B, C, H, W]
        for _ in range(80):  metrics.update(fakes(), real=False)
        metrics.compute()["fid"]
    """

    def __init__(
        self, extractor: Named | Network = "inception", *, weights: str | None = None,
        device: torch.device | str = "cpu", seed: int = 0, reset_real: bool = False, **counts: int,
    ) -> None:  # fmt: skip
        self.extractor = extractor_named(extractor, weights, device)
        self.device, self.seed, self.reset_real, self._counts = device, seed, reset_real, counts
        self._parts: dict[bool, list[Features]] = {REAL: [], FAKE: []}
        self._reference: Reference | None = None

    def update(self, images: Tensor | np.ndarray[Any, Any], *, real: bool) -> None:
        """Take in a batch: uint8 tensor [B, C, H, W] or array [B, H, W, C]."""
        batch = image_set(images, "real" if real else "fake")
        seen = extract_features([batch.images], [self.extractor])
        self._parts[real].append(seen.features[self.extractor.name])
        if real:
            self._reference = None

    def compute(self) -> Scores:
        """Every metric of features so far. Raises EvaluationError where one side has no images."""
        real, fake = (self._joined(side) for side in (REAL, FAKE))
        if self._reference is None:
            facts = ImageFeatures("real", "", real, FeatureStatistics.of(real.features))
            self._reference = Reference.between(ExtractorFacts.of(self.extractor), facts, None, "train", 0)
        rules = rules_of(len(fake.features), len(real.features), self.seed, self._counts)
        return score_features(fake, self._reference, rules, self.device)

    def reset(self) -> None:
        """Forget the generated images, and the real ones where `reset_real` says so."""
        self._parts[FAKE].clear()
        if self.reset_real:
            self._parts[REAL].clear()
            self._reference = None

    def _joined(self, side: bool) -> Features:
        parts = self._parts[side]
        if not parts:
            raise EvaluationError(f"no {'real' if side else 'generated'} images yet: update(images, real={side})")
        return Features(*(torch.cat(rows) for rows in zip(*parts, strict=True)))


def image_set(images: Images, name: str, size: int | None = None) -> ImageSet:
    """Images as this project holds them. Raises DataError for other types, shapes and ranges."""
    if isinstance(images, ImageSet):
        return images
    if isinstance(images, str | Path):
        return read_images(Path(images).expanduser(), name=name, size=size)
    channels_last = not isinstance(images, Tensor)
    pixels = torch.as_tensor(images).cpu()
    if channels_last and pixels.ndim == 3:
        pixels = pixels[..., None]
    if channels_last and pixels.ndim == 4:
        pixels = pixels.permute(0, 3, 1, 2)
    return ImageSet(name, pixels.contiguous(), torch.zeros(len(pixels), dtype=torch.int64))


def extractor_named(
    extractor: Named | Network, weights: str | None = None, device: torch.device | str = "cpu"
) -> FeatureExtractor:
    """A feature extractor by name, or a network as one. Raises EvaluationError where weights are missing."""
    if not isinstance(extractor, str):
        return CustomExtractor(extractor, device=device)
    if extractor not in ("inception", "torchvision"):
        raise EvaluationError(f"unknown extractor {extractor!r}: inception, torchvision, or a network of your own")
    chosen: dict[str, Any] = {"inception": False, "domain": False, extractor: True, f"{extractor}_weights": weights}
    return build_extractors(ExtractorSettings(**chosen), torch.device(device), Weights({}))[0]


def rules_of(num_fake: int, num_real: int, seed: int, counts: dict[str, int]) -> EvaluationRules:
    """The rules of this project's final evaluations for so many images; counts: what is asked for otherwise."""
    known = {"memorisation_samples": 1000, "bootstrap": 20, **counts}
    try:
        rules = EvaluationRules(num_samples=num_fake, seed=seed, **known)  # type: ignore[arg-type]
    except TypeError as error:
        what = str(error).rpartition(" got ")[2]
        raise EvaluationError(f"evaluate: {what}; counts are fields of EvaluationRules") from None
    return rules.within(num_fake, num_real)
