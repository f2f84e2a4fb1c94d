"""Rules of an evaluation, and protocols: numbers of different protocols are never compared."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Literal

from papergan.errors import EvaluationError
from papergan.image_range import Quantisation
from papergan.metrics.parzen import BANDWIDTHS
from papergan.metrics.registry import COLUMNS, FLOOR, Metric

Split = Literal["train", "test"]
UNKNOWN = "?"


@dataclass(frozen=True, kw_only=True)
class EvaluationRules:
    """The rules of an evaluation: how many images, how they are drawn, and the counts of every metric.

    num_samples: generated images. reference_split: which real images they are compared with. weights: the averaged
    ("ema") or the raw ("raw") generator. truncation: threshold of the latents, None = no truncation. quantisation: how
    images become bytes. seed: of the latents, and of every draw of generated images if a metric uses only some of them
    (real images have one draw for all runs, `reference.reference_rows`). inception_splits: for the Inception Score.
    kid_subsets, kid_subset_size: for the kernel distance. manifold_samples: generated and real images for precision,
    recall, density, coverage and the two-sample accuracy. similarity_pairs: for MS-SSIM.
    For the following counts zero turns the metric off. memorisation_samples: generated images whose nearest training
    images are searched. path_samples: for the path length, which is measured without truncation. parzen_samples: for
    the Parzen window. bootstrap: resamples for the deviations of FID (of 1000 pairs each) and KID. For conditional
    generators, class_samples: images of all classes together for the distances within classes. cas_samples: images on
    which a classifier is trained, with cas_width in its stem, over cas_epochs; cas_flip: also on mirrored images.
    nas_samples: images on which a classifier of nas_width is trained together with the real training images over
    nas_epochs, as the share nas_share of all images that it sees; nas_flip: also compare with mirrored real images.
    parzen_bandwidths: candidates, of which the likeliest is used. parzen_validation: the number of first images of the
    validation split that choose it, with the likelihood of all test images; 0 = a thousand test images for either.
    """

    num_samples: int
    reference_split: Split = "train"
    weights: Literal["ema", "raw"] = "ema"
    truncation: float | None = None
    quantisation: Quantisation = "round"
    seed: int = 0
    inception_splits: int = 10
    kid_subsets: int = 100
    kid_subset_size: int = 1000
    manifold_samples: int = 10_000
    similarity_pairs: int = 1000
    memorisation_samples: int = 0
    path_samples: int = 0
    parzen_samples: int = 0
    parzen_validation: int = 0
    parzen_bandwidths: tuple[float, ...] = BANDWIDTHS
    bootstrap: int = 0
    class_samples: int = 0
    cas_samples: int = 0
    cas_epochs: int = 0
    cas_width: int = 0
    cas_flip: bool = False
    nas_samples: int = 0
    nas_share: float = 0.0
    nas_epochs: int = 0
    nas_width: int = 0
    nas_flip: bool = False

    def __post_init__(self) -> None:
        if min(self.num_samples, self.inception_splits, self.kid_subsets, self.similarity_pairs) < 1:
            raise EvaluationError("a protocol needs at least one sample, one split, one subset and one pair")

    @property
    def nas_images(self) -> int:
        """Images, real and generated, that a classifier for the naive augmentation score sees in each epoch."""
        return round(self.nas_samples / self.nas_share) if self.nas_samples else 0

    def within(self, num_generated: int, num_real: int) -> EvaluationRules:
        """The same rules, with counts limited to the available images."""
        fewest = min(num_generated, num_real)
        return EvaluationRules(**asdict(self) | {
            "num_samples": num_generated,
            "inception_splits": min(self.inception_splits, num_generated),
            "kid_subset_size": min(self.kid_subset_size, fewest),
            "manifold_samples": min(self.manifold_samples, fewest),
            "similarity_pairs": min(self.similarity_pairs, max(1, num_generated // 2)),
            "memorisation_samples": min(self.memorisation_samples, num_generated),
            "parzen_samples": min(self.parzen_samples, num_generated),
            "class_samples": min(self.class_samples, num_generated),
        })  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Protocol(EvaluationRules):
    """The rules, the extractor and the real images that a number was measured with.

    extractor: "inception", "domain", ...; extractor_digest: SHA-256 of its weights. reference_name, _digest, _count:
    the real images. held_out_digest, held_out_count: the held-out images, "" and 0 if there are none, on which copy
    rates, the Parzen window and the floor depend; floor_count: held-out images used for the floor. direction: "b_to_a"
    for the way back of a translation, "" otherwise. lpips_network, _backbone_digest, _weights_digest: of
    LPIPS, "" if it is not measured.
    Raises EvaluationError for a protocol stored by a version that did not record the held-out images.
    """

    extractor: str
    extractor_digest: str
    preprocessing: str
    reference_name: str
    reference_digest: str
    reference_count: int
    held_out_digest: str = UNKNOWN
    held_out_count: int = 0
    floor_count: int = 0
    direction: str = ""
    lpips_network: str = ""
    lpips_backbone_digest: str = ""
    lpips_weights_digest: str = ""

    # read by pydantic, which this module does not need
    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.held_out_digest == UNKNOWN:
            raise EvaluationError("made by an earlier version, which did not say which images were held out")

    @property
    def source(self) -> str:
        """The source of the metrics: "inception", "domain", or for a translation's way back "b_to_a_domain"."""
        return f"{self._direction}{self.extractor}"

    @property
    def metric_prefix(self) -> str:
        """The prefix of this extractor's metrics: "" for Inception, else for example "domain_"."""
        return f"{self._direction}{'' if self.extractor == 'inception' else f'{self.extractor}_'}"

    def name_of(self, metric: Metric) -> str:
        """The name of a metric in scores: with this extractor's prefix if it is a metric of features."""
        return f"{self.metric_prefix if metric.of_features else self._direction}{metric.name}"

    def label(self, name: str) -> str:
        """The header of a metric's column: `domain_fid@5000v50000-train`, `is@10000/10-inception`, `ms_ssim@1000`."""
        if name == FLOOR.name:
            return f"{self.label('fid')} floor@{self.floor_count}"
        metric = COLUMNS[name]
        prefix = self.metric_prefix if metric.of_features else self._direction
        network = "-inception" if metric.of_features and self.extractor == "inception" else ""
        truncated = "" if self.truncation is None or not metric.truncated else f"-t{self.truncation:g}"
        return f"{prefix}{metric.pattern.format(**vars(self), train_count=self.train_count)}{network}{truncated}"

    @property
    def train_count(self) -> int:
        """The number of training images, among which copies are searched, whichever split is the reference."""
        return self.reference_count if self.reference_split == "train" else self.held_out_count

    @property
    def _direction(self) -> str:
        return f"{self.direction}_" if self.direction else ""

    def comparability_key(self, metric: Metric) -> dict[str, str | int | float | None]:
        """The settings that must agree for two values of this metric to share a column.

        `weights` and `seed` are not included: they determine which model and which draw was measured, not how; the
        table shows them in columns of their own.
        """
        return {name: getattr(self, name) for name in metric.depends_on}

    def comparability_digest(self, metric: Metric) -> str:
        """SHA-256 of `comparability_key`."""
        return hashlib.sha256(repr(sorted(self.comparability_key(metric).items())).encode()).hexdigest()
