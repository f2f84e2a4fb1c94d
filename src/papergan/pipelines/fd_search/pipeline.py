"""The pipeline of the search for FD: search, tabulate, draw."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.fd_search import nodes


def create_pipeline() -> Pipeline:
    """The search pipeline: trains with FD = 1, 2, ... of each experiment until training is stable."""
    return Pipeline(
        [
            node(
                nodes.search, inputs=["params:recipe", "image_library", "feature_cache", "trials", "tracker"],
                outputs=["trace", "chosen"], name="search",
            ),
            node(nodes.tabulate, inputs=["params:recipe", "trace"], outputs="page", name="tabulate"),
            node(nodes.draw, inputs=["params:recipe", "trace", "trials"], outputs="plot", name="draw"),
        ],
        namespace="fd_search",
        inputs={"image_library", "feature_cache"},
        parameters={"params:recipe": "params:fd_search"},
        tags=["search"],
    )  # fmt: skip
