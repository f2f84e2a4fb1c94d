"""Locks: held by one process, seen by the others, and never a way to another file."""

from __future__ import annotations

import os

import pytest

from helpers.fake_workspace import held_elsewhere
from helpers.no_files import quickly
from papergan import file_locks
from papergan.errors import StorageError
from papergan.maintenance.scan import held
from papergan.tracking.configuration import MlflowConfiguration
from papergan.tracking.mlflow_store import MlflowStore, RunLocks
from papergan.training.checkpoint import CheckpointStore


def _turn(folder):
    with RunLocks(folder).exclusive():
        pass


def _locked(folder):
    with CheckpointStore(folder.parent, folder.name).locked():
        pass


def _holding(folder):
    with file_locks.take(folder / "lock"):
        pass


TAKERS = {"lock": _locked, "turn": _turn, "run.lock": lambda folder: RunLocks(folder).acquire("run")}


@quickly
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "link to a pipe"])
@pytest.mark.parametrize(("name", "take"), [*TAKERS.items(), ("lock", _holding)])
def test_what_stands_in_the_place_of_a_lock_is_refused_and_left_as_it_is(tmp_path, name, take, kind):
    folder, target = tmp_path / "store", tmp_path / "precious"
    folder.mkdir()
    if kind == "link":
        target.write_text("precious")
    elif kind != "dangling link":
        os.mkfifo(target if kind == "link to a pipe" else folder / name)
    if kind != "pipe":
        (folder / name).symlink_to(target)
    with pytest.raises(StorageError, match=rf"{name} is a (link|named pipe), expected a .* file.*; remove"):
        take(folder)
    assert target.exists() == (kind in ("link", "link to a pipe"))
    assert kind != "link" or target.read_text() == "precious"


@quickly
def test_whether_a_link_is_held_is_not_asked_of_its_target(tmp_path):
    (tmp_path / "free").write_text("")
    (tmp_path / "lock").symlink_to("free")
    os.mkfifo(tmp_path / "pipe")
    assert held(tmp_path / "lock")  # one that may not be looked at counts as held
    assert held(tmp_path / "pipe")
    assert not held(tmp_path / "free")
    assert not held(tmp_path / "nothing")
    (tmp_path / "run.lock").symlink_to("free")
    with pytest.raises(StorageError, match="run.lock is a link"):
        RunLocks(tmp_path).is_running("run")


def test_a_note_outlives_its_holder_and_is_read_on_one_line(tmp_path):
    with file_locks.take(tmp_path / "lock") as file:
        file_locks.write_note(file, "a long note")
        file_locks.write_note(file, "process 7")
    assert file_locks.read_note(tmp_path / "lock") == "process 7"
    (tmp_path / "lock").write_bytes(b"a\nb\xff" * 1000)
    assert "\n" not in file_locks.read_note(tmp_path / "lock")


def test_who_looks_does_not_take_and_who_takes_is_seen(tmp_path):
    (tmp_path / "lock").write_text("of an earlier process")
    assert not file_locks.is_held(tmp_path / "lock")
    with held_elsewhere(tmp_path / "lock"):
        assert file_locks.is_held(tmp_path / "lock")
        with pytest.raises(BlockingIOError):
            file_locks.take(tmp_path / "lock")
    file_locks.take(tmp_path / "lock").close()
    assert (tmp_path / "lock").read_text() == "of an earlier process"


@quickly
def test_a_run_says_in_one_line_that_its_turn_is_a_link(tmp_path):
    store = MlflowStore(
        MlflowConfiguration(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/mlruns/artifacts")
    )
    (tmp_path / "mlruns" / "running").mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "mlruns" / "running" / "turn").symlink_to(tmp_path / "precious")
    with pytest.raises(StorageError, match="turn is a link"):
        store.begin("tahvili2025", "a", {})
    assert (tmp_path / "precious").read_text() == "precious"
