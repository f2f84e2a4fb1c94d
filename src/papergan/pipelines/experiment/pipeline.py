"""images -build_model-> initial state -train-> trained -swap_in_average-> generator -evaluate-> scores"""

from __future__ import annotations

from kedro.pipeline import Pipeline

from papergan.pipelines.experiment.nodes import (
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
from papergan.pipelines.groups import group, named


def create_pipeline(experiment: str) -> Pipeline:
    """One experiment. `trained` is saved last: where it exists, everything else that training leaves exists too."""
    recipe, classifier = "params:recipe", "domain_classifier"
    groups = [
        group("model", [named(model.build_model, [recipe, "images"], ["initial_state", "model_summary"])]),
        group("reference", [
            named(
                references.train_domain_classifier, [recipe, "images", "image_library", "feature_cache"], classifier
            ),
            named(references.build_reference, [recipe, "images", classifier, "feature_cache"], "reference"),
            named(references.score_real_images, [recipe, "images", "reference", "feature_cache"], "real_rows"),
        ]),
        group("training", [
            named(
                training.train,
                [recipe, "images", "initial_state", classifier, "reference", "checkpoints", "tracker"],
                ["history", "snapshots", "frames", "trained"],
            ),
            named(export.swap_in_average, [recipe, "trained"], "generator"),
        ]),
        group("evaluation", [
            named(
                evaluation.evaluate,
                [recipe, "images", classifier, "reference", "real_rows", "trained", "generator", "snapshots"],
                "scores",
            ),
            named(truncation.sweep_truncation, [recipe, classifier, "reference", "generator"], "truncation"),
        ]),
        group("reporting", [
            named(curves.draw_curves, [recipe, "history", "published"], "curves"),
            named(training_log.write_log, [recipe, "history", "published"], "training_log"),
            named(figures.draw_over_time, [recipe, "frames"], "over_time"),
            named(figures.animate, [recipe, "frames"], "progress"),
            named(export.sample, [recipe, "generator"], "samples"),
            named(figures.interpolate, [recipe, "images", "trained", "generator"], "interpolation"),
            named(figures.draw_by_class, [recipe, classifier, "generator"], "by_class"),
            named(figures.draw_neighbours, [recipe, "images", classifier, "reference", "generator"], "neighbours"),
            named(
                packaging.package_model,
                [recipe, "images", "trained", "generator", "scores", "published"],
                "model",
            ),
        ]),
    ]  # fmt: skip
    return Pipeline(
        groups,
        namespace=experiment,
        inputs={"image_library", "feature_cache", "published"},
        parameters={"params:recipe": f"params:{experiment}"},
        tags=["experiment"],
    )
