"""What samples are measured with: the data set's own classifier, and the real images as each extractor sees them."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from papergan.data.images import ImageSplits
from papergan.evaluation.domain import DomainExtractor
from papergan.evaluation.domain_training import train_domain_classifier as train_classifier
from papergan.evaluation.features import FeatureExtractor
from papergan.evaluation.inception import InceptionExtractor, locate_inception_weights
from papergan.evaluation.reference import Reference
from papergan.evaluation.reference import build_reference as build
from papergan.io.shelf import WeightsShelf
from papergan.pipelines.checked import Experiment
from papergan.pipelines.experiment.restore import device_of, is_asked, stoppable
from papergan.recipe import Recipe
from papergan.weights import Weights

log = logging.getLogger(__name__)


def train_domain_classifier(experiment: Experiment, images: ImageSplits, ruler_shelf: WeightsShelf) -> Weights:
    """The classifier of these images, trained once and then kept; no tensors where the recipe does without."""
    recipe = experiment.recipe
    if not recipe.evaluation.domain:
        return Weights({}, {"kind": "none: evaluation.domain is false"})
    how = recipe.evaluation.domain_classifier
    device = device_of(recipe)

    def make() -> Weights:
        log.info("Training the domain classifier of %s: %d epochs, once per data set", images.train.name, how.epochs)
        return train_classifier(
            images.train, images.test, epochs=how.epochs, widths=[how.width * factor for factor in (1, 2, 4, 8)],
            seed=how.seed, device=device, flip=how.horizontal_flip,
            on_epoch=lambda epoch, numbers: log.info(
                "  epoch %d of %d: %.1f %% of the training images right", epoch, how.epochs, 100 * numbers["accuracy"]
            ),
        )  # fmt: skip

    data = {"train": images.train.digest, "test": images.test.digest}
    classifier = ruler_shelf.fetch("domain_classifier", {**data, **how.model_dump()}, make)
    accuracy = float(classifier.metadata["test_accuracy"])
    log.info("Domain classifier of %s: %.1f %% of the test images right", images.train.name, 100 * accuracy)
    return classifier


def build_reference(
    experiment: Experiment, images: ImageSplits, domain_classifier: Weights, ruler_shelf: WeightsShelf
) -> Weights:
    """The training images as each extractor of the recipe sees them, kept once computed; see `references_from`."""
    recipe = experiment.recipe
    floor_samples = min(recipe.evaluation.final_num_samples, len(images.test))
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    with stoppable("the reference statistics") as stop:
        for extractor in extractors_of(recipe, domain_classifier):

            def make(extractor: FeatureExtractor = extractor) -> Weights:
                built = build(
                    images, [extractor], recipe.evaluation.batch_size, floor_samples=floor_samples,
                    should_stop=lambda: is_asked(stop),
                )  # fmt: skip
                return built[extractor.name].to_weights()

            made_from = {
                "train": images.train.digest, "test": images.test.digest, "floor_samples": floor_samples,
                "extractor": extractor.digest, "preprocessing": extractor.preprocessing, "name": images.train.name,
            }  # fmt: skip
            one = ruler_shelf.fetch(f"reference-{extractor.name}", made_from, make)
            tensors |= {f"{extractor.name}.{name}": tensor for name, tensor in one.tensors.items()}
            metadata |= {f"{extractor.name}.{name}": text for name, text in one.metadata.items()}
    return Weights(tensors, metadata)


def references_from(reference: Weights) -> dict[str, Reference]:
    """By extractor's name, from what `build_reference` returned."""
    names = sorted({name.split(".", 1)[0] for name in reference.metadata})
    return {
        name: Reference.from_weights(
            Weights(
                reference.under(name),
                {k.removeprefix(f"{name}."): v for k, v in reference.metadata.items() if k.startswith(f"{name}.")},
            )
        )
        for name in names
    }


def extractors_of(recipe: Recipe, domain_classifier: Weights) -> list[FeatureExtractor]:
    """Every extractor that the recipe measures with, on its device."""
    device: torch.device = device_of(recipe)
    chosen: list[FeatureExtractor] = []
    if recipe.evaluation.inception:
        where = locate_inception_weights(recipe.evaluation.inception_weights, recipe.evaluation.allow_download)
        chosen.append(InceptionExtractor(where, device))
    if recipe.evaluation.domain:
        chosen.append(DomainExtractor.from_weights(domain_classifier, device))
    return chosen
