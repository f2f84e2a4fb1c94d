"""The pipeline of a tool on points: run_stress_test, tabulate, draw_samples, draw_modes."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.mode_stress import nodes


def create_pipeline(name: str = "mode_stress_test") -> Pipeline:
    """The tool of this name; finished trials are kept, so that the same command continues where it was stopped."""
    inputs = ["params:recipe", "trials", "finished"]
    return Pipeline(
        [
            node(
                nodes.run_stress_test,
                ["params:recipe", "trials", "tracker"],
                outputs="finished",
                name="run_stress_test",
            ),
            node(nodes.tabulate, [*inputs, "pros_and_cons"], outputs="page", name="tabulate"),
            node(nodes.draw_samples, inputs, outputs="samples", name="draw_samples"),
            node(nodes.draw_modes, inputs, outputs="modes_over_time", name="draw_modes"),
        ],
        namespace=name,
        inputs={"pros_and_cons"},
        parameters={"params:recipe": f"params:{name}"},
        tags=["stress"],
    )
