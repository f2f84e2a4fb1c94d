"""The pipeline of a study: run_study, tabulate, and figures."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.study import nodes


def create_pipeline(study: str) -> Pipeline:
    """The pipeline of one study, which runs its trials itself."""
    recipe, inputs = "params:recipe", ["params:recipe", "trials", "finished"]
    return Pipeline(
        [
            node(
                nodes.run_study, inputs=[recipe, "image_library", "feature_cache", "trials", "tracker"],
                outputs=["finished", "subsets"], name="run_study",
            ),
            node(
                nodes.tabulate, inputs=[*inputs, "published", "pros_and_cons"], outputs="study_table", name="tabulate",
            ),
            node(nodes.draw_losses, inputs=inputs, outputs="study_losses", name="draw_losses"),
            node(nodes.draw_scores, inputs=inputs, outputs="study_scores", name="draw_scores"),
            node(nodes.draw_samples, inputs=inputs, outputs="study_samples", name="draw_samples"),
            node(nodes.draw_neighbours, inputs=inputs, outputs="study_neighbours", name="draw_neighbours"),
        ],
        namespace=study,
        inputs={"image_library", "feature_cache", "published", "pros_and_cons"},
        parameters={"params:recipe": f"params:{study}"},
        tags=["study"],
    )  # fmt: skip
