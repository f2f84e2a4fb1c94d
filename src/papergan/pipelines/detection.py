"""The pipeline `detection`: a detector of each trained generator's images, tested on the images of all."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict

import torch
from kedro.pipeline import Pipeline
from torch import Tensor

from papergan.config.checked import DetectionPlan
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.library import ImageLibrary
from papergan.data.preparation import prepare
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.image_range import to_pixels
from papergan.inference.generator import Generator
from papergan.inference.model_folder import StoredModel, read_model
from papergan.metrics.detection import detection, detector_scores, real_and_generated, train_detector
from papergan.metrics.random_subsets import random_rows
from papergan.pipelines.groups import named_node
from papergan.reporting.detection import (
    MEASURES,
    DetectionResult,
    detection_sentences,
    detection_table,
    draw_detection,
)
from papergan.reporting.pages import console_table
from papergan.tracking import provenance
from papergan.training.numerics import choose_device
from papergan.training.signals import StopRequest, stoppable
from papergan.weights import Weights

logger = logging.getLogger(__name__)

TITLE = "Detectors of generated images"


def load_models(plan: DetectionPlan) -> dict[str, StoredModel]:
    """The trained generators by name. Raises CheckpointError where one is damaged."""
    return {name: read_model(place) for name, place in plan.places.items()}


def ingest_real_images(models: Mapping[str, StoredModel], image_library: ImageLibrary) -> ImageSplits:
    """All images of the data set that the generators were trained on, at their size."""
    name, model = next(iter(models.items()))
    recipe = Recipe.parse(name, model.about["recipe"])
    splits = image_library.load(recipe.dataset, recipe.image_size, recipe.images)
    return prepare(splits, size=recipe.image_size, limit=None, classes=recipe.classes)


def measure_detectors(
    plan: DetectionPlan, models: Mapping[str, StoredModel], images: ImageSplits, feature_cache: FeatureCache
) -> tuple[DetectionResult, ...]:
    """Test every detector on the images of every generator, for each seed; results are kept in the feature cache.

    The images that a detector is tested on are real test images, and samples that it was not trained on.
    Raises Interrupted after a stop signal; the same call continues with the detector that was not finished.
    """
    device = choose_device(plan.recipe.device)
    found: list[DetectionResult] = []
    with stoppable("the detection of generated images") as stop:
        for seed in plan.recipe.seeds:
            real = {
                split: some.images[random_rows(len(some), count, seed, "detection", split)]
                for split, some, count in (
                    ("train", images.train, plan.recipe.num_samples),
                    ("test", images.test, plan.recipe.test_samples),
                )
            }
            samples = {
                name: _samples(model, len(real["train"]), len(real["test"]), seed, device)
                for name, model in models.items()
            }
            for name in models:
                found += _results(plan, name, seed, real, samples, feature_cache, device, stop)
    return tuple(found)


def _samples(model: StoredModel, train: int, test: int, seed: int, device: torch.device) -> dict[str, Tensor]:
    """Samples that a detector is trained on, and others to test it; uint8 on the host."""
    generator = Generator(model, device)
    stream = generator.sampler.stream(train + test, seed=seed, progress=generator.progress)
    pixels = torch.cat([to_pixels(batch).cpu() for batch in stream])
    return {"train": pixels[:train], "test": pixels[train:]}


def _results(
    plan: DetectionPlan, name: str, seed: int, real: Mapping[str, Tensor], samples: Mapping[str, Mapping[str, Tensor]],
    cache: FeatureCache, device: torch.device, stop: StopRequest,
) -> list[DetectionResult]:  # fmt: skip
    """The results of one detector on the images of every generator, kept once computed."""
    sets = {split: real_and_generated(real[split], samples[name][split], f"{name}/{split}") for split in real}

    def make() -> Weights:
        logger.info("Training the detector of %s, seed %d", name, seed)
        settings = plan.recipe
        detector = train_detector(
            sets["train"], sets["test"], epochs=settings.epochs, width=settings.width, seed=seed, flip=settings.flip,
            device=device, should_stop=stop.requested,
        )  # fmt: skip
        of_real = detector_scores(detector, real["test"], device)
        found = [
            DetectionResult(
                trained_on=name, tested_on=other, seed=seed,
                **asdict(detection(of_real, detector_scores(detector, some["test"], device))),
            )
            for other, some in samples.items()
        ]  # fmt: skip
        return Weights({}, {"results": json.dumps([one.model_dump() for one in found])})

    tested = {other: ImageSet(other, some["test"], _no_labels(some["test"])).digest for other, some in samples.items()}
    made_from = {
        "detector": name, "train": sets["train"].digest, "test": sets["test"].digest, "tested_on": tested, "seed": seed,
        **plan.recipe.model_dump(include={"epochs", "width", "flip"}),
    }  # fmt: skip
    kept = cache.get_or_compute("detector", made_from, make)
    return [DetectionResult.model_validate(one) for one in json.loads(kept.metadata["results"])]


def _no_labels(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.int64)


def tabulate(
    plan: DetectionPlan, models: Mapping[str, StoredModel], images: ImageSplits, results: tuple[DetectionResult, ...]
) -> Page:
    """The page: a matrix of each measure; a line per detector, generator and seed in the CSV."""
    import pandas as pd

    tables = [(what, detection_table(results, measure)) for measure, what in MEASURES.items()]
    settings, sentences = plan.recipe, detection_sentences(results)
    device = choose_device(settings.device)
    learned, tested = (
        min(some, len(there))
        for some, there in ((settings.num_samples, images.train), (settings.test_samples, images.test))
    )
    notes = [
        *sentences,
        f"a detector learns from {learned} images of {images.train.name} and as many samples, and is tested on "
        f"{tested} of {images.test.name} and as many other samples; a classifier of width {settings.width}, "
        f"{settings.epochs} epochs, seeds {', '.join(map(str, settings.seeds))}",
        *(f"{name}: generator {model.config['digest'][:16]} of {plan.places[name]}" for name, model in models.items()),
        f"{provenance.hardware(device)}; {provenance.note(provenance.commit(), provenance.versions())}",
    ]
    rows = pd.DataFrame([one.model_dump() for one in results])
    console = "\n".join([f"{TITLE}, {tables[0][0]}", console_table(tables[0][1]), "", *sentences])
    return Page.of(tables, TITLE, notes, rows, console=console)


def draw_matrix(results: tuple[DetectionResult, ...]) -> object:
    """A matplotlib Figure: the matrix in colours."""
    return draw_detection(results, TITLE)


def create_pipeline() -> Pipeline:
    """The pipeline from trained generators to the matrix of their detectors."""
    plan, results = "params:detection", "detection.results"
    models, images = "detection.originals", "detection.images"
    nodes = [
        named_node(load_models, plan, models),
        named_node(ingest_real_images, [models, "image_library"], images),
        named_node(measure_detectors, [plan, models, images, "feature_cache"], results),
        named_node(draw_matrix, results, "detection.matrix"),
        named_node(tabulate, [plan, models, images, results], "detection.page"),
    ]
    return Pipeline(nodes, tags=["detection"])
