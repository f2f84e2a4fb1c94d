"""The evaluator: extractors, references and a device; all scores of images or a generator are computed by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.evaluation.compute_metrics import MetricValues, score_classes, score_features
from papergan.evaluation.image_features import SampleFeatures, extract_features
from papergan.evaluation.pixel_metrics import num_images_kept, score_pixels
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import References, check_references, train_and_test
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.conditional import classification_accuracy_score, naive_augmentation_score, statistics_by_class
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.sampler_path_length import sampler_path_length, style_path_length

Stop = Callable[[], bool] | None


class Evaluator:
    """Scores images and generators against references.

    extractors: may be empty if only precomputed features are scored. real, held_out: the images of the reference split
    and of the other split, for pixel metrics; without `real` these are left out. validation: images for choosing the
    bandwidth of a Parzen window, if the rules require any. conditional: whether generators are conditional on the
    classes of `real`. device: where metrics are computed; all pairs of samples and real images are compared, which
    takes a GPU a moment.
    Raises EvaluationError if the reference of an extractor is missing or belongs to another extractor.
    """

    def __init__(
        self,
        extractors: Sequence[FeatureExtractor],
        references: References,
        *,
        real: ImageSet | None = None,
        held_out: ImageSet | None = None,
        validation: ImageSet | None = None,
        conditional: bool = False,
        device: torch.device | str = "cpu",
        batch_size: int = 250,
    ) -> None:
        check_references(extractors, references)
        self.extractors, self.references = extractors, references
        self.real, self.held_out, self.validation, self.conditional = real, held_out, validation, conditional
        self.device, self.batch_size = device, batch_size
        self._by_class: dict[str, list[FeatureStatistics]] = {}  # of the real images, by extractor
        self._without_generated: dict[EvaluationRules, MetricValues] = {}  # accuracies without generated images

    def score(
        self,
        images: Iterable[Tensor],
        rules: EvaluationRules,
        *,
        should_stop: Stop = None,
        what: str = "samples",
    ) -> MetricValues:
        """Every score that the rules require of uint8 [B, C, S, S], in batches. what: their name in messages.

        Raises EvaluationStopped once `should_stop()` is true.
        """
        return self.score_features(self.extract(images, rules, should_stop=should_stop, what=what), rules, should_stop)

    def score_sampler(
        self,
        sampler: Sampler,
        rules: EvaluationRules,
        *,
        progress: Progress,
        should_stop: Stop = None,
        what: str = "samples",
        untruncated: Sampler | None = None,
    ) -> MetricValues:
        """Every score of a generator that the rules require, including path lengths. progress: of the training.

        untruncated: the sampler for path lengths, which are measured without truncation, if BatchNorm's statistics in
        `sampler` are those of truncated latents; None = `sampler`.
        """
        features = self.extract_sampler(sampler, rules, progress=progress, should_stop=should_stop, what=what)
        if self.conditional:
            labels = sampler.choices(rules.num_samples, seed=rules.seed, progress=progress, truncation=rules.truncation)
            features = replace(features, labels=labels)
        scores = self.score_features(features, rules, should_stop)
        for extractor in self.extractors if rules.path_samples else ():
            for name, measure in (("ppl", sampler_path_length), ("ppl_w", style_path_length)):
                length = measure(
                    untruncated or sampler, extractor, count=rules.path_samples, seed=rules.seed, progress=progress
                )
                scores |= {} if length is None else {f"{extractor.metric_prefix}{name}": length}
        if self.conditional and rules.cas_samples:
            learnt = self._labelled_samples(rules.cas_samples, sampler, rules, progress)
            scores["cas"] = self.classification_accuracy(learnt, rules, should_stop)
        if self.conditional and rules.nas_samples:
            learnt = self._labelled_samples(rules.nas_samples, sampler, rules, progress)
            scores |= self.augmentation_accuracies(learnt, rules, should_stop)
        return scores

    def classification_accuracy(self, images: ImageSet, rules: EvaluationRules, should_stop: Stop = None) -> float:
        """CAS of images with their classes, on the real test set, see `classification_accuracy_score`.

        Raises EvaluationError if there is no test set, EvaluationStopped once `should_stop()` is true.
        """
        _, test = self._train_and_test(rules, "the classification accuracy score", "cas_samples")
        return classification_accuracy_score(
            images, test, epochs=rules.cas_epochs, width=rules.cas_width, flip=rules.cas_flip, seed=rules.seed,
            device=self.device, should_stop=should_stop,
        )  # fmt: skip

    def augmentation_accuracies(
        self, images: ImageSet, rules: EvaluationRules, should_stop: Stop = None
    ) -> MetricValues:
        """Test accuracies after training on real images alone, with mirrored ones, and with `images` added.

        `nas_real`, `nas_flips` if the rules include it, and `nas`; see `naive_augmentation_score`.
        Raises EvaluationError if there is no test set, EvaluationStopped once `should_stop()` is true.
        """
        train, test = self._train_and_test(rules, "the naive augmentation score", "nas_samples")

        def accuracy(generated: ImageSet | None, flip: bool) -> float:
            return naive_augmentation_score(
                train, test, generated=generated, images=rules.nas_images, epochs=rules.nas_epochs,
                width=rules.nas_width, seed=rules.seed, flip=flip, device=self.device, should_stop=should_stop,
            )  # fmt: skip

        if rules not in self._without_generated:
            alone = {"nas_real": accuracy(None, False)}
            self._without_generated[rules] = alone | ({"nas_flips": accuracy(None, True)} if rules.nas_flip else {})
        return self._without_generated[rules] | {"nas": accuracy(images, False)}

    def _train_and_test(self, rules: EvaluationRules, what: str, setting: str) -> tuple[ImageSet, ImageSet]:
        """Real training and test images. Raises EvaluationError if one of them is missing."""
        train, test = train_and_test(rules.reference_split, self.real, self.held_out)
        if train is None or test is None:
            raise EvaluationError(f"{what} needs real training and test images; set {setting} to 0")
        return train, test

    def _labelled_samples(self, count: int, sampler: Sampler, rules: EvaluationRules, progress: Progress) -> ImageSet:
        """`count` samples for training a classifier, with the classes that they are conditioned on."""
        assert self.real is not None
        seed, truncation = rules.seed, rules.truncation
        stream = sampler.stream(count, seed=seed, progress=progress, truncation=truncation)
        pixels = torch.cat([to_pixels(batch, rules.quantisation).cpu() for batch in stream])
        labels = sampler.choices(count, seed=seed, progress=progress, truncation=truncation)
        assert labels is not None
        return ImageSet("samples", pixels, labels, self.real.classes, frames=self.real.frames)

    def extract(
        self, images: Iterable[Tensor], rules: EvaluationRules, *, should_stop: Stop = None, what: str = "samples"
    ) -> SampleFeatures:
        """One pass over uint8 [B, C, S, S] that keeps the features and pixels that `score_features` needs."""
        return extract_features(
            images, self.extractors, keep=num_images_kept(rules), seed=rules.seed, batch_size=self.batch_size,
            total=rules.num_samples, should_stop=should_stop, what=what,
        )  # fmt: skip

    def extract_sampler(
        self,
        sampler: Sampler,
        rules: EvaluationRules,
        *,
        progress: Progress,
        should_stop: Stop = None,
        what: str = "samples",
    ) -> SampleFeatures:
        """`extract` for the samples that the rules require, generated and rounded as the rules specify."""
        stream = sampler.stream(rules.num_samples, seed=rules.seed, progress=progress, truncation=rules.truncation)
        pixels = (to_pixels(batch, rules.quantisation) for batch in stream)
        return self.extract(pixels, rules, should_stop=should_stop, what=what)

    def score_features(self, samples: SampleFeatures, rules: EvaluationRules, should_stop: Stop = None) -> MetricValues:
        """Every score of previously extracted features, and of the pixels that were kept with them."""
        scores: MetricValues = {}
        for name, features in samples.features.items():
            scores |= score_features(features, self.references[name], rules, self.device, should_stop)
            if samples.labels is not None and self.real is not None:
                scores |= score_classes(
                    features, samples.labels, self.references[name], partial(self._real_classes, name),
                    self.real.classes, rules.within(samples.count, len(self.real)),
                )  # fmt: skip
        if self.real is not None:
            held_out, validation = (None if some is None else some.images for some in (self.held_out, self.validation))
            scores |= score_pixels(
                samples.pixels, self.real.images, held_out, rules, self.device, validation=validation
            )
        return scores

    def _real_classes(self, extractor: str) -> list[FeatureStatistics]:
        """Statistics of the real images of each class, cached together with their matrix square roots."""
        assert self.real is not None
        if extractor not in self._by_class:
            rows = self.references[extractor].real.features.features
            self._by_class[extractor] = statistics_by_class(rows, self.real.labels, len(self.real.classes))
        return self._by_class[extractor]
