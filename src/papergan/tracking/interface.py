"""The MLflow interface: the options that start it, and the addresses of runs in it."""

from __future__ import annotations

import os

from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.database import PREFIX
from papergan.tracking.run_groups import VIEW

MACHINE_LEARNING = "workflowType=machine_learning"  # without it MLflow may open its view for language models


def ui_options(configuration: MlflowConfiguration) -> str | None:
    """Options of `mlflow` that show the store in a browser on this machine; None for a server, which shows itself."""
    uri, address = configuration.tracking_uri, configuration.interface
    if uri == address or uri.startswith(("http:", "https:", "databricks")):
        return None
    local = uri.replace(f"{PREFIX}{os.getcwd()}/", PREFIX)
    host, _, port = address.removeprefix("http://").rpartition(":")
    return f"ui --backend-store-uri {local} --host {host}" + ("" if port == "5000" else f" --port {port}")


def table_page(experiment_id: str) -> str:
    """Address, below that of the interface, of the table of an MLflow experiment's runs."""
    return f"#/experiments/{experiment_id}/runs?{MACHINE_LEARNING}&viewStateShareKey={VIEW}"


def run_page(experiment_id: str, run_id: str, tab: str = "") -> str:
    """Address of a run, below that of the interface. tab: "model-metrics", "artifacts/samples.png"."""
    return f"#/experiments/{experiment_id}/runs/{run_id}{'/' if tab else ''}{tab}?{MACHINE_LEARNING}"
