"""MLflow as a listener: complete, truthful about how runs end, and never in the way of training."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys

import pytest
import torch
from mlflow import MlflowClient

from papergan.config.experiment import Recipe
from papergan.errors import Interrupted
from papergan.reporting.image_grid import ImageGrid
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore, ui_options
from papergan.tracking.mlflow_tracker import MlflowTracker
from papergan.tracking.run_locks import RunLocks


class BrokenClient:
    """An MLflow that fails until it is mended."""

    def __init__(self) -> None:
        self.broken, self.calls, self.metrics, self.status = True, 0, [], None

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        self.calls += 1
        if self.broken:
            raise OSError("database is locked\nsecond line")
        self.metrics += metrics

    def log_artifact(self, run_id, path, folder):
        raise OSError("disk full")

    def set_terminated(self, run_id, status):
        self.status = status


def test_a_failing_mlflow_warns_once_and_loses_nothing(caplog):
    client = BrokenClient()
    tracker = MlflowTracker(client, "id")
    with caplog.at_level(logging.WARNING):
        for step in range(5):
            tracker.report({"step": step, "loss": float(step)})
        tracker.picture(ImageGrid(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), "c"), 4)
        tracker.tags({"a": "b"})
    assert [record.message for record in caplog.records] == [
        "MLflow failed, the run goes on without it: database is locked"
    ]
    client.broken = False
    tracker.finish("FINISHED")
    assert [(metric.key, metric.value, metric.step) for metric in client.metrics] == [
        ("loss", float(step), step) for step in range(5)
    ]
    assert client.status == "FINISHED"


def test_rows_are_written_together_and_not_at_every_report():
    client = BrokenClient()
    client.broken = False
    tracker = MlflowTracker(client, "id")
    for step in range(100):
        tracker.report({"step": step, "loss": 0.0})
    assert client.calls <= 2
    tracker.finish("FINISHED")
    assert len(client.metrics) == 100


def test_numbers_that_are_not_finite_are_left_out():
    client = BrokenClient()
    client.broken = False
    tracker = MlflowTracker(client, "id")
    tracker.report({"step": 1, "loss": float("nan"), "score": 2.0})
    assert [metric.key for metric in client.metrics] == ["score"]


def test_only_the_first_end_counts():
    client = BrokenClient()
    client.broken = False
    tracker = MlflowTracker(client, "id")
    tracker.finish("FAILED")
    tracker.finish("KILLED")
    assert client.status == "FAILED"


def test_a_lock_is_free_once_its_process_is_gone(tmp_path):
    code = (
        "import sys; from pathlib import Path; from papergan.tracking.run_locks import RunLocks\n"
        "holder = RunLocks(Path(sys.argv[1])); holder.acquire('run'); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    assert RunLocks(tmp_path).is_running("run")
    process.kill()
    process.wait()
    assert not RunLocks(tmp_path).is_running("run")
    assert not list(tmp_path.iterdir())


def test_a_released_run_is_not_alive(tmp_path):
    run_locks = RunLocks(tmp_path)
    run_locks.acquire("run")
    assert RunLocks(tmp_path).is_running("run")
    run_locks.release("run")
    assert not RunLocks(tmp_path).is_running("run")


@pytest.fixture
def store(new_database, tmp_path) -> MlflowStore:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(new_database, tmp_path / "mlruns" / "mlflow.db")
    folder = f"{tmp_path}/mlruns"
    return MlflowStore(
        MlflowConfiguration(tracking_uri=f"sqlite:///{folder}/mlflow.db", artifacts=f"{folder}/artifacts")
    )


def test_only_dead_runs_of_the_same_experiment_are_buried(store):
    dead, alive, other = (store.begin("tahvili2025", name, {"k": "v"}) for name in ("a", "a", "b"))
    store.run_locks.release(dead.run_id)
    store.run_locks.release(other.run_id)
    store.begin("tahvili2025", "a", {})
    client = MlflowClient(store.configuration.tracking_uri)
    states = {run.run_id: client.get_run(run.run_id).info.status for run in (dead, alive, other)}
    assert states == {dead.run_id: "KILLED", alive.run_id: "RUNNING", other.run_id: "RUNNING"}
    assert client.get_run(dead.run_id).data.tags["k"] == "v"


def test_parameters_and_pictures_arrive(store):
    tracker = store.begin("tahvili2025", "c", {})
    tracker.parameters({"settings.width": 8, "long": "x" * 7000})
    tracker.picture(ImageGrid(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), "caption"), 12)
    tracker.replay([{"step": step, "loss": 1.0} for step in range(2500)])
    tracker.finish("FINISHED")
    client = MlflowClient(store.configuration.tracking_uri)
    run = client.get_run(tracker.run_id)
    assert run.data.params["settings.width"] == "8"
    assert len(run.data.params["long"]) == 6000
    assert len(client.get_metric_history(tracker.run_id, "loss")) == 2500
    assert run.data.tags["resumed_from_step"] == "2499"
    assert [entry.path for entry in client.list_artifacts(tracker.run_id, "samples")] == ["samples/step-000000012.png"]


def test_the_interface_is_shown_on_this_machine_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ui_options(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    assert command == "ui --backend-store-uri sqlite:///mlruns/mlflow.db --host 127.0.0.1"


def recipe():
    given = {"paper": "song2023", "system": "dcgan", "dataset": "synthetic_shapes", "training": {"steps": 1}}
    return Recipe.parse("dcgan_emoji", given)


def test_a_cell_has_a_run_inside_that_of_its_study_and_a_study_goes_on_in_its_run(store):
    run = store.begin("song2023", "limited_data_study", {"study": "abc"}, "study")
    with run.nested("dcgan/seed 0", recipe().parameters, {"grid": "table_1"}) as cell:
        cell.report({"step": 1, "loss": 2.0})
    with pytest.raises(Interrupted), run.nested("dcgan/seed 1", recipe().parameters, {}):
        raise Interrupted(2, "stopped")
    with pytest.raises(ZeroDivisionError), run.nested("dcgan/seed 2", recipe().parameters, {}):
        raise ZeroDivisionError
    run.finish("KILLED")
    store.run_locks.release(run.run_id)
    client = MlflowClient(tracking_uri=store.configuration.tracking_uri)
    group = client.get_experiment_by_name("papergan/song2023").experiment_id
    inside = client.search_runs([group], f"tags.`mlflow.parentRunId` = '{run.run_id}'")
    assert sorted((one.info.run_name, one.info.status) for one in inside) == [
        ("dcgan/seed 0", "FINISHED"), ("dcgan/seed 1", "KILLED"), ("dcgan/seed 2", "FAILED"),
    ]  # fmt: skip
    (first,) = [one for one in inside if one.info.run_name == "dcgan/seed 0"]
    assert first.data.metrics["loss"] == 2.0
    assert first.data.params["settings.width"] == "128"
    assert first.data.tags["grid"] == "table_1"
    again = store.begin("song2023", "limited_data_study", {"study": "abc"}, "study")
    assert again.run_id == run.run_id
    assert client.get_run(again.run_id).info.status == "RUNNING"
    again.finish("FINISHED")
    store.run_locks.release(again.run_id)
    other = store.begin("song2023", "limited_data_study", {"study": "other cells"}, "study")
    assert other.run_id != run.run_id
    other.finish("FINISHED")
    store.run_locks.release(other.run_id)


def test_cells_go_untracked_where_mlflow_cannot_begin_a_run():
    def broken(name, tags):
        raise OSError("database is locked")

    tracker = MlflowTracker(BrokenClient(), "id", broken)
    with tracker.nested("cell", recipe().parameters, {}) as told:
        told.report({"step": 1})
        assert not isinstance(told, MlflowTracker)
