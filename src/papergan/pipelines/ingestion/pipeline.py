"""The ingestion pipeline: ingest, normalise."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from papergan.pipelines.groups import named_node, node_group
from papergan.pipelines.ingestion.nodes import ingest, normalise


def create_pipeline() -> Pipeline:
    """The ingestion of any experiment."""
    recipe = "params:recipe"
    nodes = [
        named_node(ingest, ["image_library", recipe], "raw_images"),
        named_node(normalise, ["raw_images", recipe], "images"),
    ]
    return node_group("ingestion", nodes)
