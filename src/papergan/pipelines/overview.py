"""The default pipeline of `kedro run`: prints the experiments, studies and tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from papergan.config import registry
from papergan.config.papers import find_paper, papers
from papergan.errors import RecipeError
from papergan.project import COMMAND


def overview(parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Print every experiment and study under its paper, with its description, and the commands of this project.

    Raises RecipeError where one names a paper that does not exist.
    """
    experiments, studies = registry.discover(), registry.studies()
    width = max(map(len, [*experiments, *studies, *registry.TOOLS]))
    descriptions = {name: str(parameters[name].get("description", "")) for name in (*experiments, *studies)}
    lines = [
        "",
        "Experiments; each is a pipeline of its own:",
        "",
        *_by_paper(experiments.values(), descriptions, width),
        f"  {COMMAND} run --pipelines hybrid_cifar10 --env demo       minutes on a laptop, on synthetic digits",
        f"  {COMMAND} run --pipelines hybrid_cifar10                  as the paper has it, on CIFAR-10",
        f"  {COMMAND} run --pipelines hybrid_cifar10 "
        '--params "hybrid_cifar10.training.epochs=50,hybrid_cifar10.seed=1"',
        "",
        "Studies: many experiments over seeds, interruptible, with one table:",
        "",
        *_by_paper(studies.values(), descriptions, width),
        "Other pipelines:",
        "",
        *(f"  {name:<{width}}  {tool.description}" for name, tool in registry.TOOLS.items()),
        "",
    ]
    click.echo("\n".join(lines))


def _by_paper(entries: Iterable[registry.ExperimentEntry], descriptions: Mapping[str, str], width: int) -> list[str]:
    """Lines of entries under a line for their paper, in the order of papers.yml."""
    lines: dict[str, list[str]] = {key: [] for key in papers()}
    for entry in entries:
        lines.setdefault(entry.paper, []).append(f"  {entry.name:<{width}}  {descriptions[entry.name]}")
    listed = {key: found for key, found in lines.items() if found}
    return [line for key, found in listed.items() for line in (_heading(key, found[0]), *found, "")]


def _heading(key: str, first: str) -> str:
    """The heading of a paper, "Tahvili et al. 2025, https://doi.org/...". first: a line below, for error messages."""
    try:
        paper = find_paper(key)
    except RecipeError as error:
        raise RecipeError(f"{first.split()[0]}.paper: {error}") from None
    return ", ".join(filter(None, (paper.short_name, paper.link)))
