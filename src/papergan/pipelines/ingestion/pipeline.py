"""The ingestion pipeline: ingest, normalise."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from papergan.pipelines.groups import named_node, node_group
from papergan.pipelines.ingestion.nodes import ingest, normalise


def create_pipeline(experiment: str) -> Pipeline:
    """The ingestion of one experiment. The library of images is shared by all."""
    recipe = "params:recipe"
    nodes = [
        named_node(ingest, ["image_library", recipe], "raw_images"),
        named_node(normalise, ["raw_images", recipe], "images"),
    ]
    return Pipeline(
        [node_group("ingestion", nodes)],
        namespace=experiment,
        inputs={"image_library"},
        parameters={recipe: f"params:{experiment}"},
    )
