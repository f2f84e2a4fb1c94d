"""bytes -ingest-> raw images -normalise-> images"""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.late import LateModule

nodes = LateModule(f"{__package__}.nodes")


def create_pipeline(experiment: str) -> Pipeline:
    """The ingestion of one experiment. The library of images is shared by all."""
    return Pipeline(
        [
            node(nodes.ingest, inputs=["image_library", "params:recipe"], outputs="raw_images", name="ingest"),
            node(nodes.normalise, inputs=["raw_images", "params:recipe"], outputs="images", name="normalise"),
        ],
        namespace=experiment,
        inputs={"image_library"},
        parameters={"params:recipe": f"params:{experiment}"},
        tags=["ingestion"],
    )
