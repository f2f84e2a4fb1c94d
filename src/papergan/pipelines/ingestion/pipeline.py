"""The ingestion pipeline: ingest, normalise."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from papergan.pipelines.groups import RECIPE, in_groups, named_node
from papergan.pipelines.ingestion.nodes import ingest, normalise


def create_pipeline(experiment: str) -> Pipeline:
    """The ingestion of one experiment. The library of images is shared by all."""
    nodes = [
        named_node(ingest, ["image_library", RECIPE], "raw_images"),
        named_node(normalise, ["raw_images", RECIPE, "image_library"], "images"),
    ]
    return in_groups(experiment, {"ingestion": Pipeline(nodes)}, shared={"image_library"})
