"""The comparison pipeline: all score cards, published results -> table."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.comparison.nodes import compare, compare_after
from papergan.pipelines.groups import in_groups


def create_pipeline(experiment: str | None = None) -> Pipeline:
    """The comparison of everything on disk: alone, or as the end of one experiment's pipeline."""
    inputs, settings = ["published", "score_cards", "sample_strips"], "params:comparison"
    if experiment is None:
        return Pipeline([node(compare, [*inputs, settings], "comparison", name="compare")], tags=["comparison"])
    last = node(compare_after, [*inputs, settings, "scores"], "comparison", name="compare", tags=["comparison"])
    return in_groups(experiment, {"reporting": Pipeline([last])}, shared={*inputs, settings, "comparison"})
