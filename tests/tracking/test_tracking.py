"""MLflow as a listener: complete, truthful about how runs end, and never in the way of training."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch
from mlflow import MlflowClient
from PIL import Image

from papergan.config.experiment import Recipe
from papergan.errors import Interrupted, StorageError
from papergan.reporting.image_grid import ImageGrid
from papergan.tracking import mlflow_store, system_metrics
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.interface import ui_options
from papergan.tracking.mlflow_store import MlflowStore, RunLocks
from papergan.tracking.mlflow_tracker import MlflowTracker


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
        "import sys; from pathlib import Path; from papergan.tracking.mlflow_store import RunLocks\n"
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


def test_workspaces_that_share_a_server_leave_each_other_s_runs_alone(store, tmp_path):
    """The locks that show whether a run is alive are in the workspace."""
    artifacts = str(tmp_path / "elsewhere" / "mlruns" / "artifacts")
    other = MlflowStore(replace(store.configuration, artifacts=artifacts))
    ours = store.begin("song2023", "a_study", {"study": "abc"}, "study")
    theirs = other.begin("song2023", "a_study", {"study": "abc"}, "study")
    assert theirs.run_id != ours.run_id
    client = MlflowClient(store.configuration.tracking_uri)
    assert client.get_run(ours.run_id).info.status == "RUNNING"
    store.run_locks.release(ours.run_id)
    assert store.begin("song2023", "a_study", {"study": "abc"}, "study").run_id == ours.run_id


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
    configuration = MlflowConfiguration(f"sqlite:///{tmp_path}/mlruns/mlflow.db", "artifacts")
    command = "ui --backend-store-uri sqlite:///mlruns/mlflow.db --host 127.0.0.1"
    assert ui_options(configuration) == command
    assert ui_options(replace(configuration, interface="http://127.0.0.1:5077")) == f"{command} --port 5077"
    assert ui_options(MlflowConfiguration("https://mlflow.org:443", "a", interface="https://mlflow.org:443")) is None


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
    group = client.get_experiment_by_name("Song and Kim 2023: GANs on limited data").experiment_id
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


def test_runs_of_earlier_versions_are_found_where_they_are(store):
    client = MlflowClient(store.configuration.tracking_uri)
    old = client.create_experiment("papergan/song2023")
    tags = {"papergan.experiment": "a_study", "study": "abc", "host": socket.gethostname()}
    run_id = client.create_run(old, tags=tags).info.run_id
    again = store.begin("song2023", "a_study", {"study": "abc"}, "study")
    assert (again.run_id, again.experiment_id) == (run_id, old)
    with again.nested("trial", {}, {}) as trial:
        assert client.get_run(trial.run_id).info.experiment_id == old
    again.finish("FINISHED")
    store.run_locks.release(run_id)
    dead = client.create_run(old, tags=tags | {"study": "other"}).info.run_id
    fresh = store.begin("song2023", "a_study", {"study": "new"}, "study")
    assert client.get_run(dead).info.status == "KILLED"
    name = client.get_experiment(fresh.experiment_id).name
    assert name == "Song and Kim 2023: GANs on limited data"
    fresh.finish("FINISHED")
    store.run_locks.release(fresh.run_id)


def test_a_run_is_found_behind_many_of_its_trials_and_many_dead_ones_are_buried(store, monkeypatch):
    monkeypatch.setattr(mlflow_store, "PAGE", 2)
    study = store.begin("song2023", "a_study", {"study": "abc"}, "study")
    for number in range(5):
        _, release = study._begin(f"trial {number}", {}, None)
        release()
    study.finish("FINISHED")
    store.run_locks.release(study.run_id)
    again = store.begin("song2023", "a_study", {"study": "abc"}, "study")
    assert again.run_id == study.run_id
    store.run_locks.release(study.run_id)
    client = MlflowClient(store.configuration.tracking_uri)
    inside = client.search_runs([again.experiment_id], f"tags.`mlflow.parentRunId` = '{study.run_id}'")
    assert [run.info.status for run in inside] == ["KILLED"] * 5


def test_an_mlflow_experiment_has_a_description_that_is_left_to_its_user(store):
    client = MlflowClient(store.configuration.tracking_uri)
    tracker = store.begin("tahvili2025", "a", {}, name="a seed 1")
    group = client.get_experiment(tracker.experiment_id)
    assert group.tags["mlflow.note.content"].startswith("**Tahvili et al. 2025: hybrid GAN**")
    assert client.get_run(tracker.run_id).info.run_name == "a seed 1"
    client.set_experiment_tag(group.experiment_id, "mlflow.note.content", "mine")
    client.set_experiment_tag(group.experiment_id, "mlflow.sharedViewState.papergan", "old")
    demo = MlflowStore(replace(store.configuration, environment="demo")).begin("tahvili2025", "a", {})
    again = store.begin("tahvili2025", "a", {})
    tags = client.get_experiment(again.experiment_id).tags
    assert tags["mlflow.note.content"] == "mine"
    assert "summary/fid" in tags["mlflow.sharedViewState.papergan"]
    assert again.experiment_id == group.experiment_id != demo.experiment_id


def test_the_newest_samples_lie_at_the_root(store):
    tracker = store.begin("tahvili2025", "d", {})
    for step, level in ((1, 0), (2, 255)):
        tracker.picture(ImageGrid(torch.full((4, 3, 8, 8), level, dtype=torch.uint8), "caption"), step)
    tracker.finish("FINISHED")
    client = MlflowClient(store.configuration.tracking_uri)
    assert "samples.png" in {entry.path for entry in client.list_artifacts(tracker.run_id)}
    with Image.open(client.download_artifacts(tracker.run_id, "samples.png")) as picture:
        assert picture.getpixel((4, 4)) == (255, 255, 255)


def test_system_metrics_are_logged_to_the_end_of_the_run(store):
    pytest.importorskip("psutil")
    tracker = store.begin("tahvili2025", "e", {})
    tracker.start_system_metrics(0.1)
    client = MlflowClient(store.configuration.tracking_uri)
    name, deadline = "system/cpu_utilization_percentage", time.monotonic() + 60
    while not client.get_metric_history(tracker.run_id, name):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    tracker.finish("FINISHED")
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert {name, "system/system_memory_usage_megabytes"} <= set(run.data.metrics)
    assert "SystemMetricsMonitor" not in {thread.name for thread in threading.enumerate()}


def test_a_monitor_that_does_not_end_holds_no_run_up(monkeypatch):
    class Stuck:
        def __init__(self, *arguments, **options):
            self.start = lambda: None

        def finish(self):
            released.wait(60)

    pytest.importorskip("psutil", reason="needs the extra system-metrics")
    released = threading.Event()
    monkeypatch.setattr("mlflow.system_metrics.system_metrics_monitor.SystemMetricsMonitor", Stuck)
    monkeypatch.setattr(system_metrics, "PATIENCE_SECONDS", 0.1)
    client = BrokenClient()
    client.broken, client.tracking_uri = False, "sqlite:///nowhere"
    tracker = MlflowTracker(client, "id")
    tracker.start_system_metrics(1.0)
    began = time.monotonic()
    tracker.finish("FINISHED")
    assert time.monotonic() - began < 10
    assert client.status == "FINISHED"
    released.set()


def test_data_that_are_missing_leave_no_run_of_a_study_and_what_was_measured_stays(store):
    client = MlflowClient(store.configuration.tracking_uri)
    study = store.begin("song2023", "b_study", {"study": "abc"}, "study")
    missing = StorageError("there is no cifar10")
    with pytest.raises(StorageError), study.nested("trial", {}, {}):
        raise missing
    study.fail(missing)
    store.run_locks.release(study.run_id)
    assert client.search_runs([study.experiment_id], "tags.`papergan.experiment` = 'b_study'") == []
    study = store.begin("song2023", "b_study", {"study": "abc"}, "study")
    with study.nested("trial", {}, {}) as first:
        first.report({"step": 1, "loss": 1.0})
    with pytest.raises(StorageError), study.nested("trial", {}, {}):
        raise missing
    study.fail(missing)
    store.run_locks.release(study.run_id)
    again = store.begin("song2023", "b_study", {"study": "abc"}, "study")
    assert again.run_id == study.run_id
    again.fail(missing)  # it has the trial of before
    store.run_locks.release(again.run_id)
    found = client.search_runs([study.experiment_id], "tags.`papergan.experiment` = 'b_study'")
    assert {run.info.run_id: run.info.status for run in found} == {study.run_id: "FAILED", first.run_id: "FINISHED"}
