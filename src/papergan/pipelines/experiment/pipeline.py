"""images -train-> trained -swap_in_average-> generator -evaluate-> scores"""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from papergan.pipelines.late import LateFunction, LateModule

curves, evaluation, export, figures, references, training, training_log, truncation = (
    LateModule(f"{__package__}.nodes.{name}")
    for name in ("curves", "evaluation", "export", "figures", "references", "training", "training_log", "truncation")
)


def create_pipeline(experiment: str) -> Pipeline:
    """One experiment. `trained` is saved last: where it exists, everything else that training leaves exists too."""
    recipe, classifier = "params:recipe", "domain_classifier"
    nodes = [
        _named(references.train_domain_classifier, [recipe, "images", "image_library", "feature_cache"], classifier),
        _named(references.build_reference, [recipe, "images", classifier, "feature_cache"], "reference"),
        _named(
            training.train,
            [recipe, "images", classifier, "reference", "checkpoints", "tracker"],
            ["history", "snapshots", "frames", "trained"],
        ),
        _named(curves.draw_curves, [recipe, "history", "published"], "curves"),
        _named(training_log.write_log, [recipe, "history", "published"], "training_log"),
        _named(figures.draw_over_time, [recipe, "frames"], "over_time"),
        _named(figures.animate, [recipe, "frames"], "progress"),
        _named(export.swap_in_average, [recipe, "trained"], "generator"),
        _named(export.sample, [recipe, "generator"], "samples"),
        _named(figures.interpolate, [recipe, "images", "trained", "generator"], "interpolation"),
        _named(figures.draw_by_class, [recipe, classifier, "generator"], "by_class"),
        _named(figures.draw_neighbours, [recipe, "images", classifier, "reference", "generator"], "neighbours"),
        _named(truncation.sweep_truncation, [recipe, classifier, "reference", "generator"], "truncation"),
        _named(references.score_real_images, [recipe, "images", "reference", "feature_cache"], "real_rows"),
        _named(
            evaluation.evaluate,
            [recipe, "images", classifier, "reference", "real_rows", "trained", "generator", "snapshots"],
            "scores",
        ),
    ]
    return Pipeline(
        nodes,
        namespace=experiment,
        inputs={"image_library", "feature_cache", "published"},
        parameters={"params:recipe": f"params:{experiment}"},
        tags=["experiment"],
    )


def _named(verb: LateFunction, inputs: list[str], outputs: str | list[str]) -> Node:
    return node(verb, inputs=inputs, outputs=outputs, name=verb.__name__)
