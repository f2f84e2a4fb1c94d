"""images -train-> trained -swap_in_average-> generator -evaluate-> scores"""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.experiment.nodes.evaluation import evaluate
from papergan.pipelines.experiment.nodes.publication import draw_curves, sample, swap_in_average
from papergan.pipelines.experiment.nodes.rulers import build_reference, train_domain_classifier
from papergan.pipelines.experiment.nodes.training import train


def create_pipeline(experiment: str) -> Pipeline:
    """One experiment. `trained` is saved last: where it exists, everything else that training leaves exists too."""
    return Pipeline(
        [
            node(
                train_domain_classifier,
                inputs=["params:recipe", "images", "ruler_shelf"],
                outputs="domain_classifier",
                name="train_domain_classifier",
            ),
            node(
                build_reference,
                inputs=["params:recipe", "images", "domain_classifier", "ruler_shelf"],
                outputs="reference",
                name="build_reference",
            ),
            node(
                train,
                inputs=["params:recipe", "images", "domain_classifier", "reference", "checkpoints", "tracker"],
                outputs=["history", "snapshots", "trained"],
                name="train",
            ),
            node(draw_curves, inputs=["params:recipe", "history"], outputs="curves", name="draw_curves"),
            node(swap_in_average, inputs=["params:recipe", "trained"], outputs="generator", name="swap_in_average"),
            node(sample, inputs=["params:recipe", "generator"], outputs="samples", name="sample"),
            node(
                evaluate,
                inputs=[
                    "params:recipe", "images", "domain_classifier", "reference", "trained", "generator", "snapshots",
                ],
                outputs="scores",
                name="evaluate",
            ),
        ],
        namespace=experiment,
        inputs={"ruler_shelf"},
        parameters={"params:recipe": f"params:{experiment}"},
        tags=["experiment"],
    )  # fmt: skip
