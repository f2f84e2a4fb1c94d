"""MLflow experiments: one per paper and environment, with its description and its table of columns."""

from __future__ import annotations

import json
from dataclasses import dataclass

from papergan.config.papers import Paper, find_paper

EARLIER_PREFIX = "papergan"  # experiments were called papergan/tahvili2025
REAL_ENVIRONMENTS = (None, "base", "local")
VIEW = "papergan"  # the view of the runs' table that shows COLUMNS
COLUMNS = (
    "fid", "domain_fid", "kid", "domain_kid", "is", "domain_is", "precision", "domain_precision", "recall",
    "domain_recall", "copy_rate", "domain_copy_rate", "best_fid", "best_domain_fid", "best_is", "best_domain_is",
    "images", "training_minutes",
)  # fmt: skip
"""Metrics of the section `summary`, in the order of the table: those that no run has take no room."""


@dataclass(frozen=True)
class RunGroup:
    """The MLflow experiment of the runs of one paper and environment.

    name: for people. folder: of its artifacts, below that of the store. earlier: names that such runs had before.
    """

    name: str
    folder: str
    earlier: tuple[str, ...]
    paper: Paper
    environment: str | None

    def tags(self) -> dict[str, str]:
        """Tags of the MLflow experiment when it is made: its description."""
        return {"mlflow.note.content": self._description()}

    def _description(self) -> str:
        lines = [f"**{self.paper.heading}**", self.paper.citation]
        if self.environment not in REAL_ENVIRONMENTS:
            lines.append(f"Runs of `--env {self.environment}`: small budgets, not to be compared with the paper.")
        return "\n\n".join([*lines, "What the metrics mean, and which line up in the table: docs/mlflow.md."])


def run_group(paper: str, environment: str | None, prefix: str = "") -> RunGroup:
    """The group of a paper's runs. paper: a citation key or arXiv identifier. Raises RecipeError for any other.

    prefix: stands before the name, with a slash.
    """
    found, real = find_paper(paper), environment in REAL_ENVIRONMENTS
    name = found.heading if real else f"{found.heading} ({environment})"
    return RunGroup(
        name=f"{prefix}/{name}" if prefix else name,
        folder=paper if real else f"{paper}-{environment}",
        earlier=(f"{prefix or EARLIER_PREFIX}/{paper}",),
        paper=found,
        environment=environment,
    )


def table_view() -> tuple[str, str]:
    """The tag of an MLflow experiment that keeps the view of COLUMNS: its name and value.

    Of MLflow 3's own format for "Share view": with another version the table shows its usual columns.
    """
    metrics = {f"metrics.`summary/{name}`": 86 + 7 * len(name) for name in COLUMNS}
    widths = {"attributes.`Run Name`": 330, **metrics, "attributes.`Models`": 90, "attributes.`Dataset`": 190}  # pixels
    state = {
        "selectedColumns": list(widths)[1:], "columnOrder": list(widths), "columnWidths": widths,
        "orderByKey": "attributes.start_time", "orderByAsc": False,
    }  # fmt: skip
    return f"mlflow.sharedViewState.{VIEW}", json.dumps(state)
