"""Groups of nodes inside the pipeline of an experiment, as Kedro-Viz folds them: `hybrid_cifar10.training`."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

GROUPS = ("ingestion", "model", "reference", "training", "evaluation", "reporting")


def node_group(name: str, nodes: Sequence[Node]) -> Pipeline:
    """A pipeline of these nodes under the namespace `name`, also their tag; dataset names are kept."""
    if name not in GROUPS:
        raise ValueError(f"unknown group {name!r}; there are {', '.join(GROUPS)}")
    return Pipeline(nodes, namespace=name, tags=[name], prefix_datasets_with_namespace=False)


def experiment_of(namespace: str | None) -> str:
    """The experiment, study or tool that a node's namespace belongs to: what is before the first dot; "" for none."""
    return (namespace or "").partition(".")[0]


def named_node(function: object, inputs: str | list[str], outputs: str | list[str] | None) -> Node:
    """A node with the name of its function."""
    return node(function, inputs=inputs, outputs=outputs, name=function.__name__)  # type: ignore[attr-defined]
