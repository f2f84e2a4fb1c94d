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
    training,
    training_log,
    truncation,
)
from papergan.pipelines.groups import named_node, node_group


def create_pipeline(experiment: str) -> Pipeline:
    """The pipeline of one experiment. `trained` is saved last: where it exists, all outputs of training exist."""
    return Pipeline(
        _of_any(), namespace=experiment, inputs={"image_library", "feature_cache", "published"},
        parameters={"params:recipe": f"params:{experiment}"},
    )  # fmt: skip


@cache
def _of_any() -> Pipeline:
    """The pipeline of any experiment, under no name; built once, since there are many experiments."""
    recipe, classifier = "params:recipe", "domain_classifier"
    groups = [
        node_group("model", [named_node(model.build_model, [recipe, "images"], ["initial_state", "model_summary"])]),
        node_group("reference", [
            named_node(
                references.train_domain_classifier, [recipe, "images", "image_library", "feature_cache"], classifier
            ),
            named_node(references.build_reference, [recipe, "images", classifier, "feature_cache"], "reference"),
            named_node(references.score_real_images, [recipe, "images", "reference", "feature_cache"], "real_rows"),
        ]),
        node_group("training", [
            named_node(
                training.train,
                [recipe, "images", "initial_state", classifier, "reference", "checkpoints", "tracker"],
                ["history", "snapshots", "frames", "trained"],
            ),
            named_node(export.swap_in_ema, [recipe, "trained"], "generator"),
        ]),
        node_group("evaluation", [
            named_node(
                evaluation.evaluate,
                [recipe, "images", classifier, "reference", "real_rows", "trained", "generator", "snapshots"],
                "scores",
            ),
            named_node(truncation.sweep_truncation, [recipe, classifier, "reference", "generator"], "truncation"),
        ]),
        node_group("reporting", [
            named_node(curves.draw_curves, [recipe, "history", "published"], ["curves", "further_curves"]),
            named_node(training_log.write_log, [recipe, "history", "published"], "training_log"),
            named_node(figures.draw_over_time, [recipe, "frames"], "over_time"),
            named_node(figures.animate, [recipe, "frames"], "progress"),
            named_node(export.sample, [recipe, "generator"], "samples"),
            named_node(figures.interpolate, [recipe, "images", "trained", "generator"], "interpolation"),
            named_node(class_figures.draw_by_class, [recipe, "images", classifier, "generator"], "by_class"),
            named_node(codes.draw_codes, [recipe, "images", "trained", "generator"], "codes"),
            named_node(figures.draw_neighbours, [recipe, "images", classifier, "reference", "generator"], "neighbours"),
            named_node(
                packaging.package_model,
                [recipe, "image_library", "images", "trained", "generator", "scores", "published"],
                "model",
            ),
        ]),
    ]  # fmt: skip
    return Pipeline(groups, tags=["experiment"])
