"""Settings of evaluation: extractors, numbers of images, and rules."""

from __future__ import annotations

from dataclasses import fields, replace
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from papergan.data.images import Mode
from papergan.errors import EvaluationError
from papergan.evaluation.protocol import EvaluationRules, Split
from papergan.extractors.settings import ExtractorSettings
from papergan.image_range import Quantisation
from papergan.metrics.parzen import BANDWIDTHS
from papergan.training.numerics import Device
from papergan.validation import Amount, BatchSize, Positive, Repeats, SampleCount, Seed, Size, StrictModel

Bandwidth = Annotated[float, Field(ge=1e-6, le=1e6)]
RULE_NAMES = {field.name for field in fields(EvaluationRules)}


class DomainClassifierSettings(StrictModel):
    """Settings of the training of the data set's own classifier; the same for every experiment on the same images.

    whole: train it on all training images of the data set, even where an experiment trains on only some of them, so
    that the metrics do not depend on what they measure.
    """

    epochs: Repeats = 6
    width: Annotated[int, Field(ge=1, le=512)] = 32  # of the stem; the last group has eight times as many channels
    horizontal_flip: bool = True
    whole: bool = False
    seed: Seed = 0


class MetricSettings(ExtractorSettings):
    """Settings of an evaluation of any images: extractors, and the counts of every metric.

    seed: of every random draw. splits: of the Inception Score. memorisation_samples, parzen_samples, bootstrap
    (resamples): not measured where 0. parzen_bandwidths: for pixels in 0..1, see `EvaluationRules`.
    """

    domain_classifier: DomainClassifierSettings = DomainClassifierSettings()
    seed: Seed | None = None
    splits: Repeats = 10
    kid_subsets: Repeats = 100
    kid_subset_size: Annotated[int, Field(ge=2, le=20_000)] = 1000  # all pairs of a subset are held at once
    manifold_samples: Annotated[SampleCount, Field(ge=10)] = 10_000
    similarity_pairs: SampleCount = 1000
    memorisation_samples: Annotated[SampleCount, Field(ge=0)] = 1000
    parzen_samples: Annotated[SampleCount, Field(ge=0)] = 0
    parzen_bandwidths: Annotated[tuple[Bandwidth, ...], Field(min_length=1, max_length=100, strict=False)] = BANDWIDTHS
    bootstrap: Annotated[Repeats, Field(ge=0)] = 20
    batch_size: BatchSize = 250

    @model_validator(mode="after")
    def _resamples_have_a_deviation(self) -> MetricSettings:
        if self.bootstrap == 1:
            raise ValueError("bootstrap must be 0 or at least 2 resamples: one has no deviation")
        return self

    def bytes_of(self, count: int) -> int:
        """Approximate memory, in bytes, of the features of `count` images by all extractors, while concatenated."""
        large = 3056 * (self.inception + self.torchvision)  # 2048 features and 1008 logits
        small = 64 * (self.inception64 + self.domain64) + 14 * self.domain_classifier.width * self.domain
        return 2 * 4 * count * (large + small)

    def rules_for(self, num_samples: int, seed: int = 0) -> EvaluationRules:
        """The rules for `num_samples` generated images. seed: used where these settings have none."""
        counts = {"num_samples": num_samples, "inception_splits": self.splits}
        draw_seed = {"seed": seed if self.seed is None else self.seed}
        return EvaluationRules(**self.model_dump(include=RULE_NAMES) | counts | draw_seed)


class EvaluationSettings(MetricSettings):
    """Settings of the evaluation of an experiment: samples, reference, and intervals.

    seed: None = the recipe's. reference: the split of real images that samples are compared with. weights: whether the
    averaged generator is exported and measured, or the raw one. truncation: threshold of the latents that are scored,
    None = none. quantisation: how images become bytes. every_epochs: less than one step means after every step.
    num_samples: during training; final_num_samples: at the end. Measured only at the end, and not at all where 0:
    memorisation_samples, path_samples (of the path length), parzen_samples (but see parzen_while_training),
    bootstrap, and for conditional generators class_samples (of the distances within classes, of all classes
    together), cas_samples (a classifier is trained on this many with the settings of domain_classifier, which takes
    as long as training that one) and nas_samples (one is trained likewise on this many in addition to the real
    training images; nas_share: their share of all images that it sees). parzen_validation: number of first images
    of the recipe's `validation` by which the bandwidth of the Parzen window is chosen; 0 = held-out images, see
    `EvaluationRules`. parzen_while_training: whether the likelihood is measured during training too; the generator
    under which the validation images are likeliest is then scored at the end, like those of the lowest FID and the
    highest IS.
    """

    reference: Split = "train"
    weights: Literal["ema", "raw"] = "ema"
    truncation: Amount | None = None
    quantisation: Quantisation = "round"
    every_epochs: Annotated[float, Field(ge=1e-4, le=1e6)] = 5.0
    num_samples: Annotated[SampleCount, Field(ge=100)] = 10_000
    final_num_samples: Annotated[SampleCount, Field(ge=100)] = 50_000
    path_samples: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    discriminator_samples: Annotated[SampleCount, Field(ge=10)] = 2_000
    class_samples: Annotated[SampleCount, Field(ge=0)] = 50_000
    cas_samples: Annotated[SampleCount, Field(ge=0)] = 0
    nas_samples: Annotated[SampleCount, Field(ge=0)] = 0
    nas_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    parzen_validation: Annotated[SampleCount, Field(ge=0)] = 0
    parzen_while_training: bool = False

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the settings of a score that is off, so that keys of results from before it existed stay."""
        dumped: dict[str, Any] = serialise(self)
        off = set() if self.parzen_while_training else {"parzen_while_training"}
        off |= set() if self.nas_samples else {key for key in dumped if key.startswith("nas_")}
        return {key: value for key, value in dumped.items() if key not in off}

    @model_validator(mode="after")
    def _enough_samples(self) -> EvaluationSettings:
        if min(self.num_samples, self.final_num_samples) < self.splits:
            raise ValueError(f"{self.splits} splits need at least as many samples")
        return self

    @model_validator(mode="after")
    def _likelihood_has_images(self) -> EvaluationSettings:
        if self.parzen_while_training and not (self.parzen_samples and self.parzen_validation):
            raise ValueError("parzen_while_training needs parzen_samples, and parzen_validation to choose by; set both")
        fewest = min(self.num_samples, self.final_num_samples)
        if self.parzen_while_training and fewest < self.parzen_samples:
            raise ValueError(
                f"parzen_while_training needs num_samples and final_num_samples of at least parzen_samples, "
                f"{self.parzen_samples}: the likelihood depends on their number, and one of them is {fewest}"
            )
        return self

    def rules(self, seed: int) -> EvaluationRules:
        """The rules of the final evaluation. seed: the recipe's."""
        rules = replace(self.rules_for(self.final_num_samples, seed), reference_split=self.reference)
        taught = self.domain_classifier
        if self.cas_samples:
            rules = replace(rules, cas_epochs=taught.epochs, cas_width=taught.width, cas_flip=taught.horizontal_flip)
        if self.nas_samples:
            rules = replace(rules, nas_epochs=taught.epochs, nas_width=taught.width, nas_flip=taught.horizontal_flip)
        return rules

    def check_places(self, real: int) -> None:
        """Raise EvaluationError where not all `real` training images have a place next to the nas_samples."""
        rules = self.rules(0)
        if rules.nas_samples and (places := rules.nas_images - rules.nas_samples) < real:
            raise EvaluationError(
                f"nas_samples: {rules.nas_samples} generated images, a share of {rules.nas_share:g}, leave places for "
                f"{places} of {real} real ones: raise it to {ceil(real * rules.nas_share / (1 - rules.nas_share))}"
            )

    def rules_while_training(self, seed: int) -> EvaluationRules:
        """The rules of every evaluation before the final one: fewer samples, and no expensive metrics.

        Of these, the likelihood is measured with `parzen_while_training`.
        """
        parzen_samples = self.parzen_samples if self.parzen_while_training else 0
        fewer = replace(self.rules(seed), num_samples=self.num_samples, parzen_samples=parzen_samples)
        fewer = replace(fewer, memorisation_samples=0, path_samples=0, bootstrap=0)
        fewer = replace(fewer, class_samples=0, cas_samples=0, cas_epochs=0, cas_width=0, cas_flip=False)
        return replace(fewer, nas_samples=0, nas_share=0.0, nas_epochs=0, nas_width=0, nas_flip=False)


class SanitySettings(MetricSettings):
    """Settings of `--pipelines metric_sanity`: every metric on damaged real images of a data set.

    num_samples: test images per case; a fifth of the classes must have this many.
    """

    dataset: str
    num_samples: Annotated[SampleCount, Field(ge=20)] = 2000
    device: Device = "auto"


class ImagesSettings(MetricSettings):
    """Settings of `--pipelines evaluate_images`: any images against any others.

    held_out: a folder or file of further real images, for the floor and for memorisation; None = neither.
    size, mode, limit: see `papergan.data.folder.read_images`; the same for both sides.
    """

    held_out: str | None = None
    size: Size | None = None
    mode: Mode | None = None
    limit: Positive | None = None
    device: Device = "auto"
