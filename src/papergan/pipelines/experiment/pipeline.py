"""images -train-> trained -swap_in_average-> generator -evaluate-> scores"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from papergan.pipelines.experiment.nodes.curves import draw_curves
from papergan.pipelines.experiment.nodes.evaluation import evaluate
from papergan.pipelines.experiment.nodes.pictures import draw_by_class, draw_neighbours, draw_over_time, interpolate
from papergan.pipelines.experiment.nodes.publication import sample, swap_in_average
from papergan.pipelines.experiment.nodes.rulers import build_reference, score_real_images, train_domain_classifier
from papergan.pipelines.experiment.nodes.training import train
from papergan.pipelines.experiment.nodes.truncation import sweep_truncation


def create_pipeline(experiment: str) -> Pipeline:
    """One experiment. `trained` is saved last: where it exists, everything else that training leaves exists too."""
    recipe, classifier = "params:recipe", "domain_classifier"
    nodes = [
        _named(train_domain_classifier, [recipe, "images", "ruler_shelf"], classifier),
        _named(build_reference, [recipe, "images", classifier, "ruler_shelf"], "reference"),
        _named(
            train,
            [recipe, "images", classifier, "reference", "checkpoints", "tracker"],
            ["history", "snapshots", "frames", "trained"],
        ),
        _named(draw_curves, [recipe, "history"], "curves"),
        _named(draw_over_time, [recipe, "frames"], "over_time"),
        _named(swap_in_average, [recipe, "trained"], "generator"),
        _named(sample, [recipe, "generator"], "samples"),
        _named(interpolate, [recipe, "generator"], "interpolation"),
        _named(draw_by_class, [recipe, classifier, "generator"], "by_class"),
        _named(draw_neighbours, [recipe, "images", classifier, "reference", "generator"], "neighbours"),
        _named(sweep_truncation, [recipe, classifier, "reference", "generator"], "truncation"),
        _named(score_real_images, [recipe, "images", "reference", "ruler_shelf"], "real_rows"),
        _named(
            evaluate,
            [recipe, "images", classifier, "reference", "real_rows", "trained", "generator", "snapshots"],
            "scores",
        ),
    ]
    return Pipeline(
        nodes,
        namespace=experiment,
        inputs={"ruler_shelf"},
        parameters={"params:recipe": f"params:{experiment}"},
        tags=["experiment"],
    )


def _named(verb: Callable[..., Any], inputs: list[str], outputs: str | list[str]) -> Node:
    return node(verb, inputs=inputs, outputs=outputs, name=verb.__name__)
