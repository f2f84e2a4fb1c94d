"""The pipeline of a sweep: run_sweep, tabulate, the figures of a study and those of Optuna."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.study import nodes as of_study
from papergan.pipelines.sweep import nodes
from papergan.studies.sweep_figures import FIGURES


def create_pipeline(study: str) -> Pipeline:
    """The pipeline of one study that has a search, which runs its trials itself."""
    recipe, inputs = "params:recipe", ["params:recipe", "trials", "optuna_study"]
    drawn = (of_study.draw_losses, of_study.draw_scores, of_study.draw_samples, of_study.draw_neighbours)
    return Pipeline(
        [
            node(
                nodes.run_sweep, inputs=[recipe, "image_library", "feature_cache", "trials", "tracker"],
                outputs=["finished", "subsets", "optuna_study"], name="run_sweep",
            ),
            node(
                nodes.tabulate, inputs=[*inputs, "published", "pros_and_cons"], outputs="study_table", name="tabulate",
            ),
            node(
                nodes.draw_sweep, inputs=[recipe, "optuna_study"], outputs=[*FIGURES, "sweep_page"], name="draw_sweep",
            ),
            *(
                node(nodes.of_sweep(draw), inputs, draw.__name__.replace("draw", "study"), name=draw.__name__)
                for draw in drawn
            ),
        ],
        namespace=study,
        inputs={"image_library", "feature_cache", "published", "pros_and_cons"},
        parameters={"params:recipe": f"params:{study}"},
        tags=["study"],
    )  # fmt: skip
