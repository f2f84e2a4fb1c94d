"""The pipeline of the reproductions: train_reproductions, measure_anchors, tabulate, draw_samples."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines import dirac_gan
from papergan.pipelines.reproductions import nodes

POINTS = "pacgan_points"  # whose finished trials are read: training them is that tool's command


def create_pipeline() -> Pipeline:
    """Trains what is not trained yet; runs the tools whose numbers stand in the table; makes the table."""
    recipe, trials = "params:recipe", ["params:recipe", "trials", "finished"]
    own = Pipeline(
        [
            node(
                nodes.train_reproductions,
                [recipe, "image_library", "feature_cache", "trials", "tracker", "score_cards"],
                outputs="finished",
                name="train_reproductions",
            ),
            node(nodes.measure_anchors, [recipe, "image_library"], outputs="anchors", name="measure_anchors"),
            node(
                nodes.tabulate,
                [
                    *trials,
                    "score_cards",
                    "anchors",
                    "dirac_gan.results",
                    f"params:{POINTS}",
                    f"{POINTS}.trials",
                    "published",
                ],
                outputs="page",
                name="tabulate",
            ),
            node(nodes.draw_samples, trials, outputs="samples", name="draw_samples"),
        ],
        namespace="reproductions",
        inputs={
            "image_library",
            "feature_cache",
            "score_cards",
            "dirac_gan.results",
            f"{POINTS}.trials",
            "published",
        },
        parameters={"params:recipe": "params:reproductions", f"params:{POINTS}": f"params:{POINTS}"},
        tags=["reproductions"],
    )
    return own + dirac_gan.create_pipeline()
