"""Two identical commands at once: the second is refused before anything is made for it."""

from __future__ import annotations

import pytest

from helpers.configurations import loaded
from helpers.project_run import EXPERIMENT, PROJECT, command_here
from papergan.config.experiment import Recipe
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.errors import CheckpointError


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    recipe = Recipe.parse(EXPERIMENT, loaded(PROJECT / "conf")["parameters"][EXPERIMENT])
    folder = CheckpointFolder(tmp_path / "data" / "06_models" / EXPERIMENT / "checkpoints")
    return folder.open(recipe.fingerprint)


def test_the_second_is_refused_before_its_classifier_is_trained(store, tmp_path):
    with store.reserve():
        done = command_here("run", "--pipelines", EXPERIMENT, "--env", "test")
    assert done.exit_code == 1
    assert "held by process" in done.output
    assert "which trains the same recipe; wait for it or stop it" in done.output
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_dry_run_where_nobody_is_takes_no_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    monkeypatch.setattr("papergan.hooks.validation._show_costs", lambda *_, **__: None)  # what it shows: the next test
    assert command_here("run", "--pipelines", EXPERIMENT, "--env", "test", "--dry-run").exit_code == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "mlruns" not in path.parts]


def test_a_dry_run_may_look_beside_it_shows_the_plan_and_writes_nothing(store, tmp_path):
    with store.reserve():
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        done = command_here("run", "--pipelines", EXPERIMENT, "--env", "test", "--dry-run")
        found = [path for path in tmp_path.rglob("*") if path.is_file() and "mlruns" not in path.parts]
        after = {path: path.read_bytes() for path in found}
    assert done.exit_code == 0, done.output
    assert "\nhybrid_cifar10\n  steps " in done.output
    assert "Kedro-Viz:" not in done.output
    assert after == before


def test_a_reservation_ends_with_its_holder(store):
    with store.reserve(), pytest.raises(CheckpointError, match="held by process"):
        store.reserve()
    store.reserve().close()
    with store.reserve(), store.locked():  # the run itself trains
        pass


def test_what_kedro_viz_suggests_can_be_pasted():
    done = command_here("run", "--to-outputs", f"{EXPERIMENT}.no_such_output", "--env", "test")
    assert done.exit_code == 1
    assert "no_such_output" in done.output
    assert "overview" not in done.output
    done = command_here("run", f"--to-nodes=training.{EXPERIMENT}.tarin", "--env", "test")
    assert done.exit_code == 1
    assert f"did you mean 'training.{EXPERIMENT}.train'" in done.output
