"""The whole command under fire: killed at random moments, whatever it is doing, then finished."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from mlflow import MlflowClient

from helpers.project_run import EXPERIMENT, run_there, start_there
from papergan.datasets.scores import ScoreCardDataset
from papergan.datasets.weights import WeightsDataset

RUN = ("run", "--pipelines", EXPERIMENT, "--env", "test", "--params", f"{EXPERIMENT}.training.steps=40")
pytestmark = pytest.mark.reliability


def results(workspace):
    """Digests of what was trained and published, and the scores."""
    newest = {
        name: sorted((workspace / "data" / layer / EXPERIMENT / name).glob(f"*/{name}"))[-1]
        for layer, name in (
            ("06_models", "trained.safetensors"),
            ("06_models", "generator.safetensors"),
            ("08_reporting", "scores.json"),
        )
    }
    card = ScoreCardDataset(filepath=str(newest["scores.json"])).load()
    weights = [WeightsDataset(filepath=str(newest[name])).load() for name in list(newest)[:2]]
    return [one.digest for one in weights], card.final, card.best_fid, card.best_is, card.steps


def test_kills_at_any_moment_of_a_command_change_nothing(tmp_path):
    straight = run_there(tmp_path / "straight", *RUN)
    assert straight.returncode == 0, straight.stdout + straight.stderr
    moments, killed = random.Random(0), 0
    while killed < 8:
        process = start_there(tmp_path / "killed", *RUN)
        time.sleep(moments.uniform(3, 14))  # from the imports to the pictures
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate(timeout=60)
    finished = run_there(tmp_path / "killed", *RUN)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert results(tmp_path / "killed") == results(tmp_path / "straight")
    client = MlflowClient(f"sqlite:///{tmp_path}/killed/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Tahvili et al. 2025: hybrid GAN (test)")
    statuses = [run.info.status for run in client.search_runs([group.experiment_id])]
    assert statuses.count("FINISHED") >= 1
    assert set(statuses) <= {"FINISHED", "KILLED"}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_final_evaluation_is_killed_in_mlflow_and_evaluated_again(tmp_path, number, status):
    long = f"{RUN[-1]},{EXPERIMENT}.evaluation.final_num_samples=3000"
    process = start_there(tmp_path, *RUN[:-1], long)
    trained = tmp_path / "data" / "06_models" / EXPERIMENT / "generator.safetensors"
    deadline = time.monotonic() + 120
    while not list(trained.glob("*/*.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == status, output
    assert "Traceback" not in output
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    group = client.get_experiment_by_name("Tahvili et al. 2025: hybrid GAN (test)")
    assert [run.info.status for run in client.search_runs([group.experiment_id])] == ["KILLED"]
    again = run_there(tmp_path, *RUN[:-1], long)
    assert again.returncode == 0, again.stdout + again.stderr
