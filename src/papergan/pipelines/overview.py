"""`kedro run` without a pipeline: says what there is, and trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from papergan.config import registry


def overview(parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Print every experiment with its description and the commands of this project."""
    names = list(registry.discover())
    studies = list(registry.studies())
    width = max(map(len, [*names, *studies, *registry.TOOLS]))
    lines = ["", "Experiments; each is a pipeline of its own:", ""]
    lines += [f"  {name:<{width}}  {parameters[name].get('description', '')}" for name in names]
    lines += [
        "",
        "  kedro run --pipelines hybrid_cifar10 --env demo       minutes on a laptop, on drawn shapes",
        "  kedro run --pipelines hybrid_cifar10                  as the paper has it, on CIFAR-10",
        '  kedro run --pipelines hybrid_cifar10 --params "hybrid_cifar10.training.epochs=50,hybrid_cifar10.seed=1"',
        "",
        "Studies: many experiments over seeds, interruptible, with one table:",
        "",
        *(f"  {name:<{width}}  {parameters[name].get('description', '')}" for name in studies),
        "",
        "Other pipelines:",
        "",
        *(f"  {name:<{width}}  {words}" for name, words in registry.TOOLS.items()),
        "",
    ]
    click.echo("\n".join(lines))
