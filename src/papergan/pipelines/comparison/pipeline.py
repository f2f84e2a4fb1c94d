"""all scores, published -compare-> table"""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.late import LateModule

nodes = LateModule(f"{__package__}.nodes")


def create_pipeline(experiment: str | None = None) -> Pipeline:
    """The comparison of everything on disk: alone, or as the end of one experiment's pipeline."""
    if experiment is None:
        return Pipeline(
            [node(nodes.compare, inputs=["published", "score_cards"], outputs="comparison", name="compare")],
            tags=["comparison"],
        )
    return Pipeline(
        [
            node(
                nodes.compare_after, inputs=["published", "score_cards", "scores"], outputs="comparison", name="compare"
            )
        ],
        namespace=experiment,
        inputs={"published", "score_cards"},
        tags=["comparison"],
    )
