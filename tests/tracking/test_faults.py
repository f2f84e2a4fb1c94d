"""A database that is gone, locked or broken costs one warning and seconds; what it missed arrives once it is back."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from mlflow import MlflowClient

from papergan.reporting.image_grid import ImageGrid
from papergan.tracking import database, mlflow_tracker, waiting_calls
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore

PATIENCE = 0.3
GRID = ImageGrid(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), "caption")


def store_in(folder) -> MlflowStore:
    return MlflowStore(MlflowConfiguration(f"sqlite:///{folder}/mlflow.db", f"{folder}/artifacts"))


@contextmanager
def deleted(path):
    os.rename(path, path.with_suffix(".aside"))
    yield
    os.rename(path.with_suffix(".aside"), path)


@contextmanager
def a_folder_in_its_place(path):
    with deleted(path):
        path.mkdir()
        yield
        path.rmdir()


@contextmanager
def locked(path):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@contextmanager
def overwritten(path, place, content):
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)
    yield
    with path.open("r+b") as file:
        file.write(whole)


@contextmanager
def read_only(path):
    """By the version in its header: a superuser, as whom tests may be run, can write whatever its mode is."""
    with overwritten(path, 18, b"\3"):
        yield


@contextmanager
def garbage(path):
    with overwritten(path, 0, b"garbage" * 500):
        yield


FAULTS = [deleted, a_folder_in_its_place, locked, read_only, garbage]


@pytest.fixture
def store(new_database, tmp_path, monkeypatch) -> MlflowStore:
    shutil.copy(new_database, tmp_path / "mlflow.db")
    monkeypatch.setattr(database, "PATIENCE_SECONDS", PATIENCE)
    monkeypatch.setattr(mlflow_tracker, "FLUSH_SECONDS", 0.0)
    return store_in(tmp_path)


@pytest.fixture
def said(caplog):
    """Every warning of anybody, MLflow's loggers included, which pass nothing on."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "sqlalchemy")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    yield lambda: [record for record in caplog.records if record.levelno >= logging.WARNING]
    for logger in loggers:
        logger.removeHandler(caplog.handler)


def tell_everything(tracker) -> None:
    tracker.parameters({"width": 8})
    tracker.text("recipe.json", "{}")
    for step in range(20):
        tracker.report({"step": step, "loss": float(step)})
        tracker.tags({"step": str(step)})
    tracker.picture(GRID, 20)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_in_mid_run_is_one_warning_and_seconds_and_everything_arrives_later(fault, store, tmp_path, said):
    tracker = store.begin("tahvili2025", "a", {})
    tracker.report({"step": 99, "loss": 0.0})
    with fault(tmp_path / "mlflow.db"):
        began = time.monotonic()
        tell_everything(tracker)
        assert time.monotonic() - began < PATIENCE + 2
        (warning,) = said()
    assert warning.getMessage().startswith("MLflow failed, the run goes on without it: ")
    assert warning.exc_info is None
    tracker.finish("FINISHED")
    store.run_locks.release(tracker.run_id)
    assert len(said()) == 1
    client = MlflowClient(store.configuration.tracking_uri)
    run = client.get_run(tracker.run_id)
    steps = [metric.step for metric in client.get_metric_history(tracker.run_id, "loss")]
    assert sorted(steps) == [*range(20), 99]
    assert (run.info.status, run.data.params["width"], run.data.tags["step"]) == ("FINISHED", "8", "19")
    assert [entry.path for entry in client.list_artifacts(tracker.run_id)] == ["recipe.json"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_stays_is_one_warning_and_seconds_to_the_end(fault, store, tmp_path, said, caplog):
    tracker = store.begin("tahvili2025", "a", {})
    with fault(tmp_path / "mlflow.db"), caplog.at_level(logging.INFO, logger="papergan"):
        began = time.monotonic()
        tell_everything(tracker)
        tracker.finish("FINISHED")
        assert time.monotonic() - began < 2 * PATIENCE + 2
        assert len(said()) == 1
    store.run_locks.release(tracker.run_id)
    assert caplog.messages[-1].startswith("MLflow never took 20 numbers and 22 other things of this run")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_run_cannot_begin_and_that_is_known_within_seconds(fault, new_database, tmp_path, monkeypatch, said):
    shutil.copy(new_database, tmp_path / "mlflow.db")
    monkeypatch.setattr(database, "PATIENCE_SECONDS", PATIENCE)
    with fault(tmp_path / "mlflow.db"):
        if fault is deleted:  # a new one would be made
            (tmp_path / "mlflow.db").symlink_to("nowhere/at/all")
        began = time.monotonic()
        with pytest.raises(sqlite3.Error):
            store_in(tmp_path).begin("tahvili2025", "a", {})
        assert time.monotonic() - began < PATIENCE + 2
        assert not said()
        if fault is deleted:
            (tmp_path / "mlflow.db").unlink()


def test_what_mlflow_refuses_for_good_holds_nothing_up(store, tmp_path, said, monkeypatch):
    monkeypatch.setattr(waiting_calls, "RETRY_SECONDS", 0.0)
    tracker = store.begin("tahvili2025", "a", {})
    tracker.parameters({"width": 8})
    tracker.parameters({"width": 9})  # a parameter has one value for ever
    tracker.artifact(tmp_path / "nothing.txt", "outputs")
    for step in range(8):
        tracker.report({"step": step, "loss": 1.0})
    tracker.tags({"told": "yes"})
    tracker.finish("FINISHED")
    store.run_locks.release(tracker.run_id)
    client = MlflowClient(store.configuration.tracking_uri)
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.params["width"], run.data.tags["told"]) == ("FINISHED", "8", "yes")
    assert len(client.get_metric_history(tracker.run_id, "loss")) == 8
    assert len(said()) == 1


def refusing(monkeypatch, method, refuses):
    """The client's calls of a method from now on, with those that `refuses` chooses refused; what was offered."""
    from mlflow.exceptions import MlflowException

    offered, take = [], getattr(MlflowClient, method)

    def call(self, *given, **named):
        offered.append(named or given)
        if refuses(*given, **named):
            raise MlflowException("no")
        return take(self, *given, **named)

    monkeypatch.setattr(MlflowClient, method, call)
    return offered


def test_one_refused_call_costs_nothing_but_itself_also_where_only_the_end_is_left(store, tmp_path, said, monkeypatch):
    tracker = store.begin("tahvili2025", "a", {})
    refusing(monkeypatch, "log_batch", lambda *_, metrics=(), **__: any(one.key == "loss" for one in metrics))
    tracker.report({"step": 1, "loss": 1.0})  # a pause of a minute, in which the run ends
    tracker.report({"step": 2, "fid": 2.0})
    tracker.parameters({"width": 8})
    tracker.artifact(tmp_path / "nothing.txt", "outputs")
    tracker.tags({"told": "yes"})
    tracker.text("recipe.json", "{}")
    tracker.finish("FINISHED")
    store.run_locks.release(tracker.run_id)
    client = MlflowClient(store.configuration.tracking_uri)
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.params, run.data.tags["told"]) == ("FINISHED", {"width": "8"}, "yes")
    assert list(run.data.metrics.values()) == [2.0]
    assert [entry.path for entry in client.list_artifacts(tracker.run_id) if not entry.is_dir] == ["recipe.json"]
    assert len(said()) == 1


def test_numbers_that_mlflow_refuses_for_good_are_offered_three_times_and_once_at_the_end(
    store, said, monkeypatch, caplog
):
    monkeypatch.setattr(waiting_calls, "RETRY_SECONDS", 0.0)
    tracker = store.begin("tahvili2025", "a", {})
    offered = refusing(monkeypatch, "log_batch", lambda *_, metrics=(), **__: bool(metrics))
    with caplog.at_level(logging.INFO, logger="papergan"):
        tracker.report({"step": 1, "loss": 1.0})
        for step in range(5):
            tracker.tags({"step": str(step)})
        assert len([one for one in offered if "metrics" in one]) == waiting_calls.ATTEMPTS
        monkeypatch.setattr(waiting_calls, "RETRY_SECONDS", 60.0)
        tracker.report({"step": 2, "loss": 1.0, "fid": 1.0})
        tracker.finish("FINISHED")
    assert len([one for one in offered if "metrics" in one]) == waiting_calls.ATTEMPTS + 2
    assert caplog.messages[-1].startswith("MLflow never took 3 numbers and 0 other things")
    store.run_locks.release(tracker.run_id)


def test_a_refused_tag_does_not_come_after_a_newer_one(store, monkeypatch):
    monkeypatch.setattr(waiting_calls, "RETRY_SECONDS", 0.0)
    tracker = store.begin("tahvili2025", "a", {})
    refusals = iter([True])
    refusing(monkeypatch, "log_batch", lambda *_, **__: next(refusals, False))
    tracker.tags({"step": "1"})
    tracker.tags({"step": "2"})
    tracker.finish("FINISHED")
    store.run_locks.release(tracker.run_id)
    assert MlflowClient(store.configuration.tracking_uri).get_run(tracker.run_id).data.tags["step"] == "2"


def test_a_server_that_is_away_is_asked_once_before_each_pause_and_loses_nothing(monkeypatch):
    from requests.exceptions import ConnectionError as NoConnection

    monkeypatch.setattr(waiting_calls, "RETRY_SECONDS", 0.0)
    calls, asked, taken = waiting_calls.WaitingCalls(), [], []
    away = [True]

    def call(number):
        asked.append(number)
        if away[0]:
            raise RuntimeError("as MLflow wraps it") from NoConnection("nobody")
        taken.append(number)

    for number in range(4):
        calls.add(lambda number=number: call(number))
    for _ in range(5):
        calls.make()
    assert asked == [0] * 5
    assert calls.not_taken == (0, 4)
    calls.make(last=True)
    assert asked == [0] * 6 + [1]  # one that takes too long by itself holds nothing up at the end
    assert calls.unreachable
    away[0] = False
    calls.make(last=True)
    assert taken == [0, 1, 2, 3]
    assert calls.not_taken == (0, 0)
    assert not calls.unreachable


@pytest.mark.parametrize(("slow", "ended"), [({"log_artifact"}, True), ({"log_artifact", "log_batch"}, False)])
def test_one_file_that_takes_too_long_does_not_leave_the_run_running(monkeypatch, tmp_path, slow, ended):
    """MLflow answers within seconds or not at all; a model that is uploaded for longer is no server that is away."""
    from requests.exceptions import ReadTimeout

    def answer(name):
        def call(*_, **__):
            asked.append(name)
            if name in slow:
                raise RuntimeError("as MLflow wraps it") from ReadTimeout("10 s")

        return call

    monkeypatch.setattr(waiting_calls, "RETRY_SECONDS", 0.0)
    asked: list[str] = []
    client = SimpleNamespace(**{name: answer(name) for name in ("log_artifact", "log_batch", "set_terminated")})
    tracker = mlflow_tracker.MlflowTracker(client, "r")
    tracker.artifact(tmp_path / "model.safetensors", "")
    if not ended:
        tracker.tags({"a": "b"})
    tracker.finish("FINISHED")
    assert ("set_terminated" in asked) == ended
