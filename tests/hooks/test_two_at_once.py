"""Two runs of an experiment at once: the second is refused before anything is made for it."""

from __future__ import annotations

import pytest

from helpers.project_run import EXPERIMENT, command_here
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.errors import CheckpointError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    return CheckpointFolder(tmp_path / "data" / "06_models" / EXPERIMENT / "checkpoints")


@pytest.mark.parametrize(
    "changes",
    [[], ["--params", f"{EXPERIMENT}.seed=7"], ["--to-nodes", f"ingestion.{EXPERIMENT}.ingest"]],
    ids=["the same", "another recipe", "a part"],
)
def test_the_second_is_refused_before_its_classifier_is_trained(changes, folder, tmp_path):
    """Also one of another recipe: both would load the other's images, classifier and weights."""
    with folder.reserve():
        done = command_here("run", "--pipelines", EXPERIMENT, "--env", "test", *changes)
    assert done.exit_code == 1, done.output
    assert "held by process" in done.output
    assert "which runs this experiment; wait for it, stop it, or use another workspace" in done.output
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_dry_run_where_nobody_is_takes_no_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    monkeypatch.setattr("papergan.hooks.validation._show_costs", lambda *_, **__: None)  # what it shows: the next test
    assert command_here("run", "--pipelines", EXPERIMENT, "--env", "test", "--dry-run").exit_code == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "mlruns" not in path.parts]


def test_a_dry_run_may_look_beside_it_shows_the_plan_and_writes_nothing(folder, tmp_path):
    with folder.reserve():
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        done = command_here("run", "--pipelines", EXPERIMENT, "--env", "test", "--dry-run")
        found = [path for path in tmp_path.rglob("*") if path.is_file() and "mlruns" not in path.parts]
        after = {path: path.read_bytes() for path in found}
    assert done.exit_code == 0, done.output
    assert "\nhybrid_cifar10\n  steps " in done.output
    assert "Kedro-Viz:" not in done.output
    assert after == before


def test_a_reservation_ends_with_its_holder(folder):
    with folder.reserve(), pytest.raises(CheckpointError, match="held by process"):
        folder.reserve()
    folder.reserve().close()


def test_a_trial_s_reservation_ends_with_its_holder(folder):
    store = folder.open("a" * 12)
    with store.reserve(), pytest.raises(CheckpointError, match="held by process"):
        store.reserve()
    store.reserve().close()
    with store.reserve(), store.locked():  # the trial itself trains
        pass


def test_what_kedro_viz_suggests_can_be_pasted():
    done = command_here("run", "--to-outputs", f"{EXPERIMENT}.no_such_output", "--env", "test")
    assert done.exit_code == 1
    assert "no_such_output" in done.output
    assert "overview" not in done.output
    done = command_here("run", f"--to-nodes=training.{EXPERIMENT}.tarin", "--env", "test")
    assert done.exit_code == 1
    assert f"did you mean 'training.{EXPERIMENT}.train'" in done.output
