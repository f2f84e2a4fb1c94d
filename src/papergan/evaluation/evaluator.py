"""The evaluator: extractors, references and a device; the one way from images or a generator to scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.evaluation.compute_metrics import MetricValues, score_features
from papergan.evaluation.image_features import SampleFeatures, extract_features
from papergan.evaluation.pixel_metrics import num_images_kept, score_pixels
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import References, check_references
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels
from papergan.metrics.sampler_path_length import sampler_path_length

Stop = Callable[[], bool] | None


class Evaluator:
    """Scores images and generators against references.

    extractors: may be none where only features that are known already are scored. real, held_out: the images of the
    reference split and of the other one, for the metrics of pixels; without `real` these are left out. validation:
    those by which the bandwidth of a Parzen window is chosen, where the rules want any. device: where metrics are
    computed; all pairs of samples and real images are compared, which takes a GPU a moment.
    Raises EvaluationError where the reference of an extractor is missing or of another one.
    """

    def __init__(
        self,
        extractors: Sequence[FeatureExtractor],
        references: References,
        *,
        real: ImageSet | None = None,
        held_out: ImageSet | None = None,
        validation: ImageSet | None = None,
        device: torch.device | str = "cpu",
        batch_size: int = 250,
    ) -> None:
        check_references(extractors, references)
        self.extractors, self.references = extractors, references
        self.real, self.held_out, self.validation = real, held_out, validation
        self.device, self.batch_size = device, batch_size

    def score(
        self,
        images: Iterable[Tensor],
        rules: EvaluationRules,
        *,
        should_stop: Stop = None,
        what: str = "samples",
    ) -> MetricValues:
        """Every score of uint8 [B, C, S, S], in batches, that the rules ask for. what: they are, for people.

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
    ) -> MetricValues:
        """Every score of a generator that the rules ask for, the path lengths too. progress: of the training."""
        features = self.extract_sampler(sampler, rules, progress=progress, should_stop=should_stop, what=what)
        scores = self.score_features(features, rules, should_stop)
        for extractor in self.extractors if rules.path_samples else ():
            length = sampler_path_length(
                sampler, extractor, count=rules.path_samples, seed=rules.seed, progress=progress
            )
            scores |= {} if length is None else {f"{extractor.metric_prefix}ppl": length}
        return scores

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
        """`extract` of the samples that the rules ask for, drawn and rounded as the rules say."""
        stream = sampler.stream(rules.num_samples, seed=rules.seed, progress=progress, truncation=rules.truncation)
        pixels = (to_pixels(batch, rules.quantisation) for batch in stream)
        return self.extract(pixels, rules, should_stop=should_stop, what=what)

    def score_features(self, samples: SampleFeatures, rules: EvaluationRules, should_stop: Stop = None) -> MetricValues:
        """Every score of features that were extracted before, and of the pixels that were kept beside them."""
        scores: MetricValues = {}
        for name, features in samples.features.items():
            scores |= score_features(features, self.references[name], rules, self.device, should_stop)
        if self.real is not None:
            held_out, validation = (None if some is None else some.images for some in (self.held_out, self.validation))
            scores |= score_pixels(
                samples.pixels, self.real.images, held_out, rules, self.device, validation=validation
            )
        return scores
