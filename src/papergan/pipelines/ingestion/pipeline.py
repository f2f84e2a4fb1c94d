"""bytes -ingest-> raw images -normalise-> images"""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.ingestion.nodes import ingest, normalise


def create_pipeline(experiment: str) -> Pipeline:
    """The ingestion of one experiment. The library of images is shared by all."""
    return Pipeline(
        [
            node(ingest, inputs=["image_library", "params:recipe"], outputs="raw_images", name="ingest"),
            node(normalise, inputs=["raw_images", "params:recipe"], outputs="images", name="normalise"),
        ],
        namespace=experiment,
        inputs={"image_library"},
        parameters={"params:recipe": f"params:{experiment}"},
        tags=["ingestion"],
    )
