"""MLflow's interface: an experiment per paper and environment, its columns, and URLs of runs."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass

from papergan.config.papers import find_paper
from papergan.messages import without_password
from papergan.project import MLFLOW_VARIABLE
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.database import PREFIX

EARLIER_PREFIX = "papergan"  # experiments were called papergan/tahvili2025
REAL_ENVIRONMENTS = (None, "base", "local")
VIEW = "papergan"  # the view of the table of runs that shows COLUMNS
MACHINE_LEARNING = "workflowType=machine_learning"  # without it MLflow may open its view for language models
COLUMNS = (
    "fid", "domain_fid", "kid", "domain_kid", "is", "domain_is", "precision", "domain_precision", "recall",
    "domain_recall", "copy_rate", "domain_copy_rate", "best_fid", "best_domain_fid", "best_is", "best_domain_is",
    "likelihood", "best_likelihood", "images", "training_minutes",
)  # fmt: skip
"""Metrics of the section `summary`, in the order of the table: those that no run has take no room."""


@dataclass(frozen=True)
class RunGroup:
    """The MLflow experiment of the runs of one paper and environment.

    name: for display. folder: of its artifacts, below the store's. description: Markdown. earlier: the name that
    it had in earlier versions.
    """

    name: str
    folder: str
    description: str
    earlier: str


def run_group(paper: str, environment: str | None, prefix: str = "") -> RunGroup:
    """The group of a paper's runs. paper: a citation key or arXiv identifier. Raises RecipeError for any other.

    prefix: precedes the name, with a slash.
    """
    found, real = find_paper(paper), environment in REAL_ENVIRONMENTS
    name = found.heading if real else f"{found.heading} ({environment})"
    lines = [f"**{found.heading}**", found.citation]
    lines += [] if real else [f"Runs of `--env {environment}`: small budgets, not to be compared with the paper."]
    lines.append("What the metrics mean, and which line up in the table: docs/mlflow.md.")
    return RunGroup(
        name=f"{prefix}/{name}" if prefix else name,
        folder=paper if real else f"{paper}-{environment}",
        description="\n\n".join(lines),
        earlier=f"{prefix or EARLIER_PREFIX}/{paper}",
    )


def table_view() -> tuple[str, str]:
    """The tag of an MLflow experiment that stores the view of COLUMNS: its name and value.

    The format is that of "Share view" in MLflow 3; with another version the table shows its usual columns.
    """
    metrics = {f"metrics.`summary/{name}`": 86 + 7 * len(name) for name in COLUMNS}
    widths = {"attributes.`Run Name`": 330, **metrics, "attributes.`Models`": 90, "attributes.`Dataset`": 190}  # pixels
    state = {
        "selectedColumns": list(widths)[1:], "columnOrder": list(widths), "columnWidths": widths,
        "orderByKey": "attributes.start_time", "orderByAsc": False,
    }  # fmt: skip
    return f"mlflow.sharedViewState.{VIEW}", json.dumps(state)


def ui_options(configuration: MlflowConfiguration) -> str | None:
    """Options of `mlflow` that show the store in a browser on this machine; None for a server, which serves itself.

    An address with a password is not written out: the shell takes it from MLflow's variable.
    """
    uri, address = configuration.tracking_uri, configuration.interface
    if uri == address or uri.startswith(("http:", "https:", "databricks")):
        return None
    near = uri.replace(f"{PREFIX}{os.getcwd()}/", PREFIX)
    shown = shlex.quote(near) if without_password(uri) == uri else f'"${MLFLOW_VARIABLE}"'
    host, _, port = address.removeprefix("http://").rpartition(":")
    return f"ui --backend-store-uri {shown} --host {host}" + ("" if port == "5000" else f" --port {port}")


def table_page(experiment_id: str) -> str:
    """URL, relative to the interface, of the table of an MLflow experiment's runs."""
    return f"#/experiments/{experiment_id}/runs?{MACHINE_LEARNING}&viewStateShareKey={VIEW}"


def run_page(experiment_id: str, run_id: str, tab: str = "") -> str:
    """URL of a run, relative to the interface. tab: "model-metrics", "artifacts/samples.png"."""
    return f"#/experiments/{experiment_id}/runs/{run_id}{'/' if tab else ''}{tab}?{MACHINE_LEARNING}"
