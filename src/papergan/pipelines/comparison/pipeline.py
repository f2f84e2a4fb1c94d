"""The comparison pipeline: all score cards, published results -> table."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from papergan.pipelines.comparison.nodes import compare, compare_after
from papergan.pipelines.groups import node_group

INPUTS = ["published", "score_cards", "sample_strips", "params:comparison"]


def create_pipeline() -> Pipeline:
    """The comparison of everything on disk."""
    return Pipeline([node(compare, INPUTS, "comparison", name="compare")], tags=["comparison"])


def create_last() -> Pipeline:
    """The comparison as the end of any experiment's pipeline."""
    last = node(compare_after, [*INPUTS, "scores"], "comparison", name="compare", tags=["comparison"])
    return node_group("reporting", [last])
