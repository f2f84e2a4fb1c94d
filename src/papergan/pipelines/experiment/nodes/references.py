"""What samples are measured with: the data set's own classifier, and the real images as each extractor sees them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch

from papergan.config.checked import Experiment
from papergan.config.evaluation import DomainRecipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.library import ImageLibrary
from papergan.data.preparation import prepare
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.references import cached_features
from papergan.datasets.unfinished_work import UnfinishedWork
from papergan.distributed.extractors import extractors_of
from papergan.evaluation.real_image_scores import RealRow, real_rows
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References
from papergan.extractors.domain_progress import Resuming
from papergan.extractors.domain_training import train_domain_classifier as train_classifier
from papergan.extractors.feature_extractor import FeatureExtractor
from papergan.pipelines.experiment.restore import device_of, is_asked, stoppable
from papergan.training.signals import StopRequest
from papergan.weights import Weights

log = logging.getLogger(__name__)

NO_CLASSIFIER = "none: evaluation.domain is false"


def train_domain_classifier(
    experiment: Experiment, images: ImageSplits, image_library: ImageLibrary, feature_cache: FeatureCache
) -> Weights:
    """The classifier of these images, trained once and then kept; no tensors where the recipe does without.

    Of all images of the data set where the recipe asks for it (`domain_classifier.whole`) and trains on fewer.
    """
    recipe = experiment.recipe
    if not recipe.evaluation.domain:
        return Weights({}, {"kind": NO_CLASSIFIER})
    device = device_of(recipe)
    deterministic = recipe.training.deterministic and device.type == "cuda"  # a CPU's kernels always are
    if recipe.evaluation.domain_classifier.whole and recipe.train_limit is not None:
        images = prepare(image_library.load(recipe.dataset), size=recipe.image_size, limit=None)
    return classifier_of(
        images, recipe.evaluation.domain_classifier, feature_cache, device, deterministic=deterministic
    )


def classifier_of(
    images: ImageSplits, how: DomainRecipe, cache: FeatureCache, device: torch.device, *, deterministic: bool = False
) -> Weights:
    """From the cache, or trained now. deterministic: with such kernels, and never one that was made without.

    A stop signal is obeyed between two batches, as Interrupted; the same call goes on from there.
    """

    def make() -> Weights:
        log.info("Training the domain classifier of %s: %d epochs, once per data set", images.train.name, how.epochs)
        return train_classifier(
            images.train, images.test, epochs=how.epochs, widths=[how.width * factor for factor in (1, 2, 4, 8)],
            seed=how.seed, device=device, flip=how.horizontal_flip, deterministic=deterministic,
            resuming=Resuming(draft.load(), draft.save, lambda: is_asked(stop)),
            on_epoch=lambda epoch, numbers: log.info(
                "  epoch %d of %d: %.1f %% of the training images right", epoch, how.epochs, 100 * numbers["accuracy"]
            ),
        )  # fmt: skip

    data = {"train": images.train.digest, "test": images.test.digest}
    kernels = {"kernels": "deterministic"} if deterministic else {}
    made_of = {**data, **how.model_dump(exclude={"whole"}), **kernels}
    draft = UnfinishedWork(cache.path_of("domain_classifier", made_of))
    with stoppable("the training of the domain classifier") as stop:
        classifier = cache.get_or_compute("domain_classifier", made_of, make)
        draft.remove()
    accuracy = float(classifier.metadata["test_accuracy"])
    log.info("Domain classifier of %s: %.1f %% of the test images right", images.train.name, 100 * accuracy)
    return classifier


def build_reference(
    experiment: Experiment, images: ImageSplits, domain_classifier: Weights, feature_cache: FeatureCache
) -> References:
    """Training and test images as each extractor of the recipe sees them, kept once computed."""
    how, device = experiment.recipe.evaluation, device_of(experiment.recipe)
    extractors = extractors_of(how, device, domain_classifier)
    real, held_out = (images.train, images.test) if how.reference == "train" else (images.test, images.train)
    references = {}
    with stoppable("the reference features") as stop:
        for extractor in extractors:
            facts = ExtractorFacts.of(extractor)
            first, second = features_of_sets([real, held_out], extractor, feature_cache, how.batch_size, stop)
            references[facts.name] = Reference.between(facts, first, second, how.reference, how.final_num_samples)
    return references


def features_of_sets(
    sets: Sequence[ImageSet], extractor: FeatureExtractor, cache: FeatureCache, batch_size: int, stop: StopRequest
) -> list[ImageFeatures]:
    """Sets of real images as this extractor sees them: from the cache, else looked at now."""

    def look(images: ImageSet) -> Callable[[], Weights]:
        return lambda: ImageFeatures.of(images, extractor, batch_size, lambda: is_asked(stop)).to_weights()

    facts = ExtractorFacts.of(extractor)
    return [cached_features(cache, facts, some.name, some.digest, len(some), look(some)) for some in sets]


def score_real_images(
    experiment: Experiment, images: ImageSplits, reference: References, feature_cache: FeatureCache
) -> tuple[RealRow, ...]:
    """The held-out images and copies of the reference, scored by the rules of the final evaluation."""
    recipe = experiment.recipe
    rules = recipe.evaluation.rules(recipe.seed)

    def make() -> Weights:
        log.info("Scoring real images by the same rules: the rows that say what the scale means")
        real, held_out = (
            (images.train, images.test) if rules.reference_split == "train" else (images.test, images.train)
        )
        with stoppable("the scores of real images") as stop:
            rows = real_rows(real, held_out, reference, rules, device_of(recipe), lambda: is_asked(stop))
        return Weights({}, {"rows": json.dumps([row.model_dump() for row in rows])})

    protocols = {name: asdict(held.protocol(rules)) for name, held in reference.items()}
    data = {"train": images.train.digest, "test": images.test.digest, "name": images.train.name}
    kept = feature_cache.get_or_compute("real_rows", {**data, "protocols": protocols, "rules": asdict(rules)}, make)
    return tuple(RealRow.model_validate(row) for row in json.loads(kept.metadata["rows"]))
