"""The pipeline `evaluate_images`: from folders of images to scores."""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
from kedro.pipeline import Pipeline

from papergan.config.checked import Images
from papergan.data.folder import read_images
from papergan.data.images import ImageSet, ImageSplits
from papergan.data.own_images import drawn_by_class
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.errors import DataError
from papergan.evaluation.real_image_scores import real_rows
from papergan.evaluation.scorecard import ImageScores
from papergan.extractors.build import extractors_of, fastest
from papergan.pipelines.experiment.nodes.figures import neighbours_grid
from papergan.pipelines.experiment.nodes.references import classifier_of, evaluator_against, features_of_sets
from papergan.pipelines.groups import named_node
from papergan.reporting.image_grid import ImageGrid
from papergan.reporting.pages import console_table
from papergan.tracking import provenance
from papergan.tracking.provenance import Commit
from papergan.training.numerics import choose_device
from papergan.training.signals import stoppable
from papergan.weights import Weights

logger = logging.getLogger(__name__)

TEST_SHARE = 0.1  # of the real images of each class: those that test the classifier, where no others are held out


class AnyImages(NamedTuple):
    """Real, generated and held-out images of one shape; held_out: None where there are none."""

    real: ImageSet
    fake: ImageSet
    held_out: ImageSet | None


def read(recipe: Images) -> AnyImages:
    """Read and check all images. Raises DataError where one is damaged, or they differ in shape."""
    settings = recipe.recipe
    sides = {"real": recipe.real, "fake": recipe.fake, "held_out": recipe.held_out}
    sets = {
        name: read_images(path, name=name, size=settings.size, mode=settings.mode, limit=settings.limit)
        for name, path in sides.items()
        if path is not None
    }
    if len({images.spec.channels for images in sets.values()}) > 1:
        logger.info("Some images are grey and some are not: the grey ones are taken for RGB")
        sets = {name: _in_colour(images) for name, images in sets.items()}
    shapes = {name: tuple(images.images.shape[1:]) for name, images in sets.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"images differ in size: {shapes}; give evaluate_images.size=<pixels> to resize all of them")
    for images in sets.values():
        logger.info("%s: %d images %dx%d", images.name, len(images), *images.images.shape[2:])
    return AnyImages(sets["real"], sets["fake"], sets.get("held_out"))


def train_classifier(recipe: Images, images: AnyImages, feature_cache: FeatureCache) -> Weights:
    """The classifier of the real images, of their classes or, without classes, of rotations; kept in the cache."""
    settings = recipe.recipe
    if not settings.domain:
        return Weights({}, {"kind": "none: evaluate_images.domain is false"})
    train, test = images.real, images.held_out
    if test is None or test.classes != train.classes:
        drawn = torch.from_numpy(drawn_by_class(train.labels.numpy(), TEST_SHARE, seed=0))
        train, test = _part(train, ~drawn), _part(train, drawn)
    return classifier_of(
        ImageSplits(train, test), settings.domain_classifier, feature_cache, choose_device(settings.device)
    )


def score(recipe: Images, images: AnyImages, classifier: Weights, feature_cache: FeatureCache) -> ImageScores:
    """All metrics of the generated images against the real ones, and of real images in place of the generated ones."""
    settings, device = recipe.recipe, choose_device(recipe.recipe.device)
    rules = settings.rules_for(len(images.fake)).within(len(images.fake), len(images.real))
    real, held_out = images.real, images.held_out
    with stoppable("the evaluation of images") as stop:
        evaluator = evaluator_against(
            real, held_out, settings, device, classifier, feature_cache, floor_samples=len(images.fake), stop=stop
        )
        should_stop = stop.requested
        metrics = evaluator.score([images.fake.images], rules, should_stop=should_stop, what=images.fake.name)
        real_scores = real_rows(real, held_out, evaluator.references, rules, device, should_stop)
    return ImageScores(
        fake=str(recipe.fake), real=str(recipe.real), held_out=recipe.held_out and str(recipe.held_out),
        fake_digest=images.fake.digest, protocols=tuple(held.protocol(rules) for held in evaluator.references.values()),
        metrics=metrics, real_rows=real_scores, **provenance.facts(device),
    )  # fmt: skip


def draw_image_neighbours(
    recipe: Images, images: AnyImages, classifier: Weights, feature_cache: FeatureCache
) -> ImageGrid:
    """The first generated images, each next to its nearest real images."""
    settings = recipe.recipe
    extractor = fastest(extractors_of(settings, choose_device(settings.device), classifier))
    with stoppable("the nearest neighbours") as stop:
        (real,) = features_of_sets([images.real], extractor, feature_cache, settings.batch_size, stop)
    return neighbours_grid(images.fake.images, images.real, real, extractor, str(recipe.fake))


def tabulate_scores(scores: ImageScores) -> Page:
    """The page of scores: one row per metric, on the console too."""
    import pandas as pd

    table = pd.DataFrame(scores.as_rows()).astype({"value": "Float64", "deviation": "Float64"})
    title = f"{scores.fake} against {scores.real}"
    rules = scores.protocols[0]
    notes = [
        f"{rules.num_samples} images against {rules.reference_count}; seed of every draw {rules.seed}",
        *(f"{p.extractor}: weights {p.extractor_digest[:12]}, {p.preprocessing}" for p in scores.protocols),
        *scores.floors(),
        f"on {scores.hardware}; {provenance.note(Commit(scores.commit, scores.dirty), scores.versions)}",
    ]
    return Page.of([("Scores", table)], title, notes, table, console=f"{title}\n{console_table(table)}")


def _part(images: ImageSet, rows: torch.Tensor) -> ImageSet:
    return ImageSet(images.name, images.images[rows], images.labels[rows], images.classes)


def _in_colour(images: ImageSet) -> ImageSet:
    pixels = images.images.expand(-1, 3, -1, -1).contiguous()
    return ImageSet(images.name, pixels, images.labels, images.classes)


def create_pipeline() -> Pipeline:
    """The pipeline that scores any images, with the same code as an experiment."""
    recipe, images, classifier = "params:evaluate_images", "evaluate_images.images", "evaluate_images.classifier"
    inputs, scores = [recipe, images, classifier, "feature_cache"], "evaluate_images.scores"
    nodes = [
        named_node(read, recipe, images),
        named_node(train_classifier, [recipe, images, "feature_cache"], classifier),
        named_node(score, inputs, scores),
        named_node(draw_image_neighbours, inputs, "evaluate_images.neighbours"),
        named_node(tabulate_scores, scores, "evaluate_images.page"),
    ]
    return Pipeline(nodes, tags=["images"])
