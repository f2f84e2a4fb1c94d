"""MLflow locked, away, broken or not there: training goes on, one warning is said, nothing is reported twice."""

from __future__ import annotations

import logging
import socket
import sqlite3
import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from helpers.project_run import run_here
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore


def configuration(folder) -> MlflowConfiguration:
    return MlflowConfiguration(f"sqlite:///{folder}/mlruns/mlflow.db", f"{folder}/mlruns/artifacts")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.reliability
def test_a_locked_database_is_one_warning_and_the_numbers_arrive_later(tmp_path, caplog, monkeypatch):
    tracker = MlflowStore(configuration(tmp_path)).begin("tahvili2025", "a", {})
    monkeypatch.setattr("papergan.tracking.waiting_calls.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("papergan.tracking.mlflow_tracker.FLUSH_SECONDS", 0.0)
    holder = sqlite3.connect(tmp_path / "mlruns" / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING, logger="papergan"):
        tracker.report({"step": 1, "loss": 1.0})
    holder.execute("ROLLBACK")
    holder.close()
    tracker.report({"step": 2, "loss": 2.0})
    tracker.finish("FINISHED")
    assert (
        len([record for record in caplog.records if "MLflow failed, the run goes on without it" in record.message]) == 1
    )
    history = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db").get_metric_history(tracker.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 2.0)]


BEGIN = """
import sys
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore
import mlflow
store = MlflowStore(MlflowConfiguration(f"sqlite:///{sys.argv[1]}/mlruns/mlflow.db", f"{sys.argv[1]}/mlruns/artifacts"))
print("ready", flush=True)
sys.stdin.readline()
tracker = store.begin("tahvili2025", sys.argv[2], {})
tracker.report({"step": 1, "loss": 1.0})
tracker.finish("FINISHED")
"""


@pytest.mark.reliability
def test_experiments_that_begin_at_once_share_a_new_database(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", BEGIN, str(tmp_path), name], **pipes) for name in "abc"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Tahvili et al. 2025: hybrid GAN")
    runs = client.search_runs([group.experiment_id])
    assert {run.info.run_name: run.info.status for run in runs} == dict.fromkeys("abc", "FINISHED")
    assert all(run.data.metrics == {"loss": 1.0} for run in runs)


@pytest.mark.reliability
def test_a_server_that_is_away_leaves_the_run_untracked_with_one_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    away = MlflowConfiguration(f"http://127.0.0.1:{free_port()}", str(tmp_path / "artifacts"))
    monkeypatch.setattr(MlflowConfiguration, "of", classmethod(lambda cls, options: away))
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="papergan"):
        run_here("dcgan_cifar10", params={"dcgan_cifar10": {"training": {"steps": 2}}})
    assert time.monotonic() - began < 90
    warnings = [record.message for record in caplog.records if "MLflow" in record.message]
    assert len(warnings) == 1
    assert "MLflow cannot begin a run, this one goes untracked" in warnings[0]
    assert list(tmp_path.glob("data/08_reporting/dcgan_cifar10/scores.json/*/scores.json"))


def not_installed(given):
    raise ModuleNotFoundError("No module named 'kedro_mlflow'")


@pytest.mark.reliability
def test_without_mlflow_installed_everything_but_tracking_works(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    for hook in ("mlflow_tracking", "summary"):
        monkeypatch.setattr(f"papergan.hooks.{hook}.parse", not_installed)
    with caplog.at_level(logging.WARNING, logger="papergan"):
        run_here("dcgan_cifar10", params={"dcgan_cifar10": {"training": {"steps": 2}}})
    assert [record.message for record in caplog.records if "MLflow" in record.message] == [
        "MLflow is not installed: nothing is tracked, everything else works"
    ]
    assert list(tmp_path.glob("data/08_reporting/dcgan_cifar10/scores.json/*/scores.json"))
    assert not (tmp_path / "mlruns").exists()
