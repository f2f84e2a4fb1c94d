"""The pipeline `evaluate_images`: read, train_classifier, score, tabulate_scores, draw_image_neighbours."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.images import nodes

RECIPE, IMAGES, CLASSIFIER = "params:evaluate_images", "evaluate_images.images", "evaluate_images.classifier"


def create_pipeline() -> Pipeline:
    """The pipeline that scores any images, by the same code as an experiment."""
    return Pipeline(
        [
            node(nodes.read, RECIPE, IMAGES, name="read"),
            node(nodes.train_classifier, [RECIPE, IMAGES, "feature_cache"], CLASSIFIER, name="train_classifier"),
            node(nodes.score, [RECIPE, IMAGES, CLASSIFIER, "feature_cache"], "evaluate_images.scores", name="score"),
            node(
                nodes.draw_image_neighbours,
                [RECIPE, IMAGES, CLASSIFIER, "feature_cache"],
                "evaluate_images.neighbours",
                name="draw_image_neighbours",
            ),
            node(nodes.tabulate_scores, "evaluate_images.scores", "evaluate_images.page", name="tabulate_scores"),
        ],
        tags=["images"],
    )  # fmt: skip
