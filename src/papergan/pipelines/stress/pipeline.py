"""levels x targets x seeds -play-> cells; cells -tabulate, draw-> table, pictures"""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.stress import nodes


def create_pipeline() -> Pipeline:
    """The stress test; every cell is kept, so that the same command goes on where it was stopped."""
    seen = ["params:recipe", "cells", "played"]
    return Pipeline(
        [
            node(nodes.play_cells, ["params:recipe", "cells", "tracker"], outputs="played", name="play_cells"),
            node(nodes.tabulate, [*seen, "pros_and_cons"], outputs="page", name="tabulate"),
            node(nodes.draw_samples, seen, outputs="samples", name="draw_samples"),
            node(nodes.draw_modes, seen, outputs="modes_over_time", name="draw_modes"),
        ],
        namespace="mode_stress_test",
        inputs={"pros_and_cons"},
        parameters={"params:recipe": "params:mode_stress_test"},
        tags=["stress"],
    )
