"""The steps of an experiment as groups of nodes, which Kedro-Viz shows as boxes: `training.hybrid_cifar10`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

RECIPE = "params:recipe"  # stands for the parameters of the experiment


def in_groups(experiment: str, groups: Mapping[str, Pipeline], shared: Collection[str]) -> Pipeline:
    """The nodes of an experiment by group, each under the namespace `group.experiment` and with its group as a tag.

    The group comes first, so that the opened graph is the chain of groups. All datasets but the shared ones get the
    experiment as prefix, and so do parameters.
    """
    named = []
    for group, nodes in groups.items():
        free = nodes.inputs() & {*shared, RECIPE}
        parameters = {name: name for name in free if name.startswith("params:")}
        parameters |= dict.fromkeys(free & {RECIPE}, f"params:{experiment}")
        own = Pipeline(nodes, namespace=experiment, inputs=free - set(parameters), parameters=parameters)
        named.append(Pipeline(own, namespace=group, prefix_datasets_with_namespace=False, tags=[group]))
    return Pipeline(named)


def experiment_of(namespace: str | None) -> str:
    """The experiment, study or tool that a node's namespace belongs to: its last part; "" for none."""
    return (namespace or "").rpartition(".")[2]


def group_of(namespace: str | None) -> str:
    """The group that a node's namespace belongs to; "" for none."""
    return (namespace or "").rpartition(".")[0]


def named_node(function: object, inputs: str | list[str], outputs: str | list[str] | None) -> Node:
    """A node with the name of its function."""
    return node(function, inputs=inputs, outputs=outputs, name=function.__name__)  # type: ignore[attr-defined]
