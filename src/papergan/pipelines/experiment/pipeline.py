"""The pipeline of an experiment: build_model, train, swap_in_ema, evaluate, and figures."""

from __future__ import annotations

from functools import cache

from kedro.pipeline import Pipeline

from papergan.pipelines.experiment.nodes import (
    class_figures,
    codes,
    curves,
    evaluation,
    export,
    figures,
    model,
    packaging,
    references,
    style_mixing,
    training,
    training_log,
    truncation,
)
from papergan.pipelines.groups import RECIPE, in_groups, named_node


def create_pipeline(experiment: str) -> Pipeline:
    """The pipeline of one experiment. `trained` is saved last: where it exists, all outputs of training exist."""
    return in_groups(experiment, _groups(), shared={"image_library", "feature_cache", "published"})


@cache
def _groups() -> dict[str, Pipeline]:
    """The nodes of any experiment, under no name; made once, since there are many experiments."""
    recipe, classifier = RECIPE, "domain_classifier"
    nodes = {
        "model": [named_node(model.build_model, [recipe, "images"], ["initial_state", "model_summary"])],
        "reference": [
            named_node(
                references.train_domain_classifier, [recipe, "images", "image_library", "feature_cache"], classifier
            ),
            named_node(references.build_reference, [recipe, "images", classifier, "feature_cache"], "reference"),
            named_node(references.score_real_images, [recipe, "images", "reference", "feature_cache"], "real_rows"),
        ],
        "training": [
            named_node(
                training.train,
                [recipe, "images", "initial_state", classifier, "reference", "checkpoints", "tracker"],
                ["history", "snapshots", "frames", "trained"],
            ),
            named_node(export.swap_in_ema, [recipe, "trained"], "generator"),
        ],
        "evaluation": [
            named_node(
                evaluation.evaluate,
                [recipe, "images", classifier, "reference", "real_rows", "trained", "generator", "snapshots"],
                "scores",
            ),
            named_node(truncation.sweep_truncation, [recipe, classifier, "reference", "generator"], "truncation"),
        ],
        "reporting": [
            named_node(curves.draw_curves, [recipe, "history", "published"], ["curves", "further_curves"]),
            named_node(training_log.write_log, [recipe, "history", "published"], "training_log"),
            named_node(figures.draw_over_time, [recipe, "frames"], "over_time"),
            named_node(figures.animate, [recipe, "frames"], "progress"),
            named_node(export.sample, [recipe, "generator"], "samples"),
            named_node(figures.interpolate, [recipe, "images", "trained", "generator"], "interpolation"),
            named_node(class_figures.draw_by_class, [recipe, "images", classifier, "generator"], "by_class"),
            named_node(codes.draw_codes, [recipe, "images", "trained", "generator"], "codes"),
            named_node(style_mixing.draw_style_mixing, [recipe, "generator"], "style_mixing"),
            named_node(figures.draw_neighbours, [recipe, "images", classifier, "reference", "generator"], "neighbours"),
            named_node(
                packaging.package_model,
                [recipe, "image_library", "images", "trained", "generator", "scores", "published"],
                "model",
            ),
        ],
    }  # fmt: skip
    return {group: Pipeline(members, tags=["experiment"]) for group, members in nodes.items()}
