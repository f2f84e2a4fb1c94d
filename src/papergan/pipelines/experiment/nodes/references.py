"""The data set's own classifier, the features of its real images by each extractor, and the scores of real images."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import torch

from papergan import systems
from papergan.config.checked import Experiment
from papergan.config.evaluation import DomainClassifierSettings, MetricSettings
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.library import ImageLibrary
from papergan.data.preparation import prepare
from papergan.data.stacked_images import channels_apart, single_classes
from papergan.datasets.feature_cache import FeatureCache, UnfinishedWork
from papergan.datasets.references import cached_features
from papergan.evaluation.compute_metrics import SCORED_AS
from papergan.evaluation.evaluator import Evaluator
from papergan.evaluation.protocol import Split
from papergan.evaluation.real_image_scores import real_rows
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References, reference_and_held_out
from papergan.evaluation.scorecard import RealRow
from papergan.extractors.build import extractors_of
from papergan.extractors.domain_classifier import BY_CHANNEL
from papergan.extractors.domain_progress import Resuming
from papergan.extractors.domain_training import is_near_chance
from papergan.extractors.domain_training import train_domain_classifier as train_classifier
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.pipelines.experiment.restore import device_of
from papergan.training.signals import StopRequest, stoppable
from papergan.weights import Weights

logger = logging.getLogger(__name__)

NO_CLASSIFIER = "none: evaluation.domain is false"


def train_domain_classifier(
    experiment: Experiment, images: ImageSplits, image_library: ImageLibrary, feature_cache: FeatureCache
) -> Weights:
    """The classifier of these images, trained once and then kept; no tensors where the recipe uses none.

    It is trained on all images of the data set where the recipe sets `domain_classifier.whole` and trains on fewer, and
    where the recipe trains on some of the classes.
    """
    recipe = experiment.recipe
    if not recipe.evaluation.domain:
        return Weights({}, {"kind": NO_CLASSIFIER})
    device = device_of(recipe)
    deterministic = recipe.training.deterministic and device.type == "cuda"  # a CPU's kernels always are
    if recipe.classes or (recipe.evaluation.domain_classifier.whole and recipe.train_limit):
        images = prepare(
            image_library.load(recipe.dataset, recipe.image_size, recipe.images), size=recipe.image_size, limit=None
        )
    return classifier_of(
        images, recipe.evaluation.domain_classifier, feature_cache, device, deterministic=deterministic
    )


def classifier_of(
    images: ImageSplits,
    settings: DomainClassifierSettings,
    cache: FeatureCache,
    device: torch.device,
    *,
    deterministic: bool = False,
) -> Weights:
    """The domain classifier, cached or trained. deterministic: with such kernels, and a cache entry of its own.

    For stacked images it is a classifier of the images in their channels.

    Raises Interrupted after a stop signal, between two batches; the same call continues there.
    """

    def make() -> Weights:
        train, test = images.train, images.test
        if single_classes(train.classes):
            train, test = channels_apart(train), channels_apart(test)
        logger.info(
            "Training the domain classifier of %s: %d epochs, once per data set", images.train.name, settings.epochs
        )
        classifier = train_classifier(
            train, test, epochs=settings.epochs,
            widths=[settings.width * factor for factor in (1, 2, 4, 8)], seed=settings.seed, device=device,
            flip=settings.horizontal_flip, deterministic=deterministic,
            resuming=Resuming(draft.load(), draft.save, stop.requested),
            on_epoch=lambda epoch, numbers: logger.info(
                "  epoch %d of %d: %.1f %% of the training images right",
                epoch, settings.epochs, 100 * numbers["accuracy"],
            ),
        )  # fmt: skip
        return classifier if train is images.train else Weights(
            classifier.tensors, {**classifier.metadata, BY_CHANNEL: "True"}
        )  # fmt: skip

    data = {"train": images.train.digest, "test": images.test.digest}
    kernels = {"kernels": "deterministic"} if deterministic else {}
    made_of = {**data, **settings.model_dump(exclude={"whole"}), **kernels}
    draft = UnfinishedWork(cache.path_of("domain_classifier", made_of))
    with stoppable("the training of the domain classifier") as stop:
        classifier = cache.get_or_compute("domain_classifier", made_of, make)
        draft.remove()
    accuracy = float(classifier.metadata["test_accuracy"])
    logger.info("Domain classifier of %s: %.1f %% of the test images right", images.train.name, 100 * accuracy)
    if is_near_chance(classifier):
        logger.warning(
            "The domain classifier of %s is little better than chance: its metrics say nothing. Give it more images "
            "or epochs: evaluation.domain_classifier.epochs, now %d", images.train.name, settings.epochs,
        )  # fmt: skip
    return classifier


def build_reference(
    experiment: Experiment, images: ImageSplits, domain_classifier: Weights, feature_cache: FeatureCache
) -> References:
    """Features of training and test images by each extractor of the recipe, kept once computed."""
    settings, device = experiment.recipe.evaluation, device_of(experiment.recipe)
    extractors = extractors_of(settings, device, domain_classifier)
    real, held_out = reference_and_held_out(images, settings.reference)
    with stoppable("the reference features") as stop:
        return references_of(
            extractors, real, held_out, feature_cache, split=settings.reference,
            floor_samples=settings.final_num_samples, batch_size=settings.batch_size, stop=stop,
        )  # fmt: skip


def references_of(
    extractors: Iterable[FeatureExtractor],
    real: ImageSet,
    held_out: ImageSet | None,
    cache: FeatureCache,
    *,
    split: Split,
    floor_samples: int,
    batch_size: int,
    stop: StopRequest,
) -> References:
    """The reference of each extractor, cached or computed. split: that of `real`. See `Reference`."""
    sets, references = [real] if held_out is None else [real, held_out], {}
    for extractor in extractors:
        facts = ExtractorFacts.of(extractor)
        first, *others = features_of_sets(sets, extractor, cache, batch_size, stop)
        references[facts.name] = Reference.between(facts, first, others[0] if others else None, split, floor_samples)
    return references


def evaluator_against(
    real: ImageSet, held_out: ImageSet | None, settings: MetricSettings, device: torch.device, classifier: Weights,
    cache: FeatureCache, *, floor_samples: int, stop: StopRequest, split: Split = "train",
) -> Evaluator:  # fmt: skip
    """An evaluator of images against `real`, by every extractor of the settings; references as in `references_of`."""
    extractors = extractors_of(settings, device, classifier)
    references = references_of(
        extractors, real, held_out, cache, split=split, floor_samples=floor_samples, batch_size=settings.batch_size,
        stop=stop,
    )  # fmt: skip
    return Evaluator(
        extractors, references, real=real, held_out=held_out, device=device, batch_size=settings.batch_size
    )


def features_of_sets(
    sets: Sequence[ImageSet], extractor: FeatureExtractor, cache: FeatureCache, batch_size: int, stop: StopRequest
) -> list[ImageFeatures]:
    """Features of sets of real images by this extractor, cached or computed."""

    def compute(images: ImageSet) -> Callable[[], Weights]:
        return lambda: ImageFeatures.of(images, extractor, batch_size, stop.requested).to_weights()

    facts = ExtractorFacts.of(extractor)
    return [cached_features(cache, facts, some.name, some.digest, len(some), compute(some)) for some in sets]


def score_real_images(
    experiment: Experiment, images: ImageSplits, reference: References, feature_cache: FeatureCache
) -> tuple[RealRow, ...]:
    """The held-out images and copies of the reference, scored under the rules of the final evaluation."""
    recipe = experiment.recipe
    rules, conditional = recipe.evaluation.rules(recipe.seed), systems.is_conditional(recipe.system, recipe.overrides)

    def make() -> tuple[RealRow, ...]:
        logger.info("Scoring real images by the same rules: the rows that say what the scale means")
        real, held_out = reference_and_held_out(images, rules.reference_split)
        with stoppable("the scores of real images") as stop:
            return real_rows(
                real, held_out, reference, rules, device_of(recipe), stop.requested, images.validation,
                conditional=conditional,
            )  # fmt: skip

    protocols = {name: asdict(held.protocol(rules)) for name, held in reference.items()}
    data = {"train": images.train.digest, "test": images.test.digest, "name": images.train.name}
    data |= {} if images.validation is None else {"validation": images.validation.digest}
    data |= {"conditional": "yes"} if conditional else {}
    return cached_rows(feature_cache, {**data, "protocols": protocols, "rules": asdict(rules)}, make)


def cached_rows(
    cache: FeatureCache, made_from: dict[str, Any], make: Callable[[], tuple[RealRow, ...]]
) -> tuple[RealRow, ...]:
    """Rows of scores that depend on no generator, cached or made. made_from: everything that determines them."""

    def encoded() -> Weights:
        return Weights({}, {"rows": json.dumps([row.model_dump() for row in make()])})

    kept = cache.get_or_compute("real_rows", {**made_from, "scored_as": SCORED_AS}, encoded)
    return tuple(RealRow.model_validate(row) for row in json.loads(kept.metadata["rows"]))
