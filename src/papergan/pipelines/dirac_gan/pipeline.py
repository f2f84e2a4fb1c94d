"""The pipeline of the Dirac-GAN: run_dirac_gan, tabulate, draw_trajectories."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.dirac_gan import nodes


def create_pipeline() -> Pipeline:
    """Seconds in all; nothing is trained that would have to be kept."""
    return Pipeline(
        [
            node(nodes.run_dirac_gan, "params:recipe", outputs="results", name="run_dirac_gan"),
            node(nodes.tabulate, ["params:recipe", "results"], outputs="page", name="tabulate"),
            node(nodes.draw_trajectories, ["params:recipe", "results"], "trajectories", name="draw_trajectories"),
        ],
        namespace="dirac_gan",
        parameters={"params:recipe": "params:dirac_gan"},
        tags=["dirac_gan"],
    )
