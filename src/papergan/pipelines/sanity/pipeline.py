"""The metric sanity pipeline: ingest_for_sanity, score_corruptions, show_sanity."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.sanity import nodes

RECIPE = "params:metric_sanity"


def create_pipeline() -> Pipeline:
    """The page that shows each metric under each damage, on real images."""
    return Pipeline(
        [
            node(nodes.ingest_for_sanity, ["image_library", RECIPE], "metric_sanity.images", name="ingest_for_sanity"),
            node(
                nodes.score_corruptions, [RECIPE, "metric_sanity.images", "feature_cache"], "metric_sanity.cases",
                name="score_corruptions",
            ),
            node(
                nodes.show_sanity,
                [RECIPE, "metric_sanity.cases"],
                ["metric_sanity.plot", "metric_sanity.page"],
                name="show_sanity",
            ),
        ],
        tags=["sanity"],
    )  # fmt: skip
