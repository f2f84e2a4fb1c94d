"""The command on two processes: refused, finished, killed, resumed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.project_run import PROJECT, environment

LONG = pytest.mark.reliability
EXPERIMENT = "dcgan_cifar10"
TWO = f"{EXPERIMENT}.training.devices=2"
SAMPLES = f"{EXPERIMENT}.evaluation.num_samples=600,{EXPERIMENT}.evaluation.final_num_samples=1300"
LENGTHY = (
    f"{TWO},{EXPERIMENT}.training.steps=200,{EXPERIMENT}.training.save_minutes=0.001,"
    f"{EXPERIMENT}.evaluation.every_epochs=2,{EXPERIMENT}.training.report_every_steps=20"
)
NOT_OURS = ("torch/distributed", "<frozen runpy>", "torchrun")


def command(params: str, processes: int) -> list[str]:
    engine = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    given = ["-m", "papergan", "--pipelines", EXPERIMENT, "--env", "test", "--params", params]
    return [sys.executable, *(engine if processes > 1 else []), *given]


def run(workspace: Path, params: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(params, processes), cwd=PROJECT, env=environment(workspace), capture_output=True, text=True, timeout=240
    )


@contextmanager
def running(workspace: Path, params: str) -> Iterator[tuple[subprocess.Popen[str], dict[int, int]]]:
    """Two processes that have saved a checkpoint, and their numbers by rank."""
    engine = subprocess.Popen(
        command(params, 2), cwd=PROJECT, env=environment(workspace), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        while not list(workspace.glob(f"data/06_models/{EXPERIMENT}/checkpoints/*/step-*.json")):
            assert engine.poll() is None, engine.communicate()[0]
            time.sleep(0.05)
        yield engine, ranks_of(engine.pid)
    finally:
        engine.kill()
        engine.wait()


def ranks_of(parent: int) -> dict[int, int]:
    found = {}
    for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        content = Path(f"/proc/{number}/environ").read_text().split("\0")
        facts = dict(entry.split("=", 1) for entry in content if "=" in entry)
        found[int(facts["RANK"])] = int(number)
    return found


def history(workspace: Path) -> list[dict[str, str]]:
    newest = max(path for path in workspace.glob(f"data/08_reporting/{EXPERIMENT}/history.csv/*/*") if path.is_file())
    with newest.open() as file:
        return [{k: v for k, v in row.items() if k != "images_per_second"} for row in csv.DictReader(file)]


def scores(workspace: Path) -> dict[str, float]:
    newest = max(path for path in workspace.glob(f"data/08_reporting/{EXPERIMENT}/scores.json/*/*") if path.is_file())
    content = json.loads(newest.read_text())
    final = content.get("content", content)["final"]
    return {name: value for name, value in final.items() if isinstance(value, float)}


def ours(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("papergan: ")]


@LONG
def test_processes_that_the_recipe_does_not_ask_for_are_refused_and_dismissed(tmp_path):
    done = run(tmp_path, SAMPLES)
    assert done.returncode == 1
    (line,) = ours(done.stderr)
    assert f"{EXPERIMENT}.training.devices: 1 in the recipe, but 2 processes were started" in line
    assert "exitcode  : 1" in done.stderr
    assert "rank      : 1" not in done.stderr  # which ended with 0
    assert not list(tmp_path.rglob("*.pt"))


@LONG
def test_devices_without_torchrun_are_refused_with_the_command(tmp_path):
    done = run(tmp_path, TWO, processes=1)
    assert done.returncode == 1
    assert "torchrun --standalone --nproc-per-node 2 -m papergan" in ours(done.stderr)[0]


@LONG
def test_a_recipe_that_is_wrong_dismisses_the_followers(tmp_path):
    done = run(tmp_path, f"{TWO},{EXPERIMENT}.training.batch_sise=3")
    assert done.returncode == 1
    assert "unknown key 'batch_sise'" in ours(done.stderr)[0]
    assert "rank      : 1" not in done.stderr


@LONG
def test_two_processes_come_to_the_numbers_of_one(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert run(alone, SAMPLES, processes=1).returncode == 0
    done = run(together, f"{SAMPLES},{TWO}")
    assert done.returncode == 0, done.stderr
    assert not ours(done.stderr)
    expected = scores(alone)
    assert scores(together) == pytest.approx(expected, rel=2e-3, abs=2e-3)
    measured, shared = scores(together), together / "data"
    before = {path for path in shared.rglob("generator.safetensors") if path.is_file()}
    # the training is finished, so one process now scores the generator that two have made: bit for bit the same
    assert run(together, SAMPLES, processes=1).returncode == 0
    after = {path for path in shared.rglob("generator.safetensors") if path.is_file()}
    assert len(after) == len(before) + 1
    assert scores(together) == measured


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    workspace = tmp_path_factory.mktemp("straight")
    done = run(workspace, LENGTHY)
    assert done.returncode == 0, done.stderr
    return history(workspace)


@LONG
@pytest.mark.parametrize("rank", [0, 1], ids=["leader", "follower"])
def test_a_kill_ends_all_with_one_line_and_the_same_command_goes_on(tmp_path, straight, rank):
    with running(tmp_path, LENGTHY) as (engine, ranks):
        os.kill(ranks[rank], signal.SIGKILL)
        said, _ = engine.communicate(timeout=40)
        assert engine.returncode not in (0, None)
        assert not any(Path(f"/proc/{number}").exists() for number in ranks.values())
    (line,) = ours(said)
    assert f"process {1 - rank} of 2" in line or "stopped by signal 15" in line
    assert "un the same command again" in line or "run again" in line
    assert not [text for text in said.splitlines() if "papergan/src" in text or "src/papergan" in text], said
    done = run(tmp_path, LENGTHY)
    assert done.returncode == 0, done.stderr
    assert "Resumed from the checkpoint of step" in done.stdout + done.stderr
    assert history(tmp_path) == straight


@LONG
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_saves_and_dismisses(tmp_path, straight, number):
    with running(tmp_path, LENGTHY) as (engine, ranks):
        engine.send_signal(number)
        said, _ = engine.communicate(timeout=40)
        assert not any(Path(f"/proc/{process}").exists() for process in ranks.values())
    (line,) = ours(said)
    assert f"stopped by signal {int(number)} at step" in line
    assert run(tmp_path, LENGTHY).returncode == 0
    assert history(tmp_path) == straight
