"""Trials on a Ray cluster of this machine: killed workers, a head that dies, what refuses."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.project_run import PROJECT
from helpers.stub_trials import StubStore, StubTrainer, StubTrial
from papergan.config.workers import WorkerSettings
from papergan.studies.worker import FAILED, WorkerRefused
from papergan.studies.workers import train_all
from papergan.tracking import Tracker

pytestmark = pytest.mark.reliability  # its start takes half a minute
PATHS = os.pathsep.join(str(PROJECT / name) for name in ("src", "tests"))


@contextmanager
def started(place: int):
    """A cluster with two processors, on a loopback address of its own."""
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'papergan[ray]'")
    from ray.cluster_utils import Cluster

    address = f"127.0.{place}.{random.Random(os.getpid()).randrange(3, 250)}"
    settings = {"num_cpus": 2, "include_dashboard": False, "node_ip_address": address}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PATHS)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Cluster(initialize_head=True, head_node_args=settings)
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def cluster():
    """Its address."""
    with started(1) as found:
        yield found.address


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "began").mkdir()
    return tmp_path


def train(address, folder, trials, digest="", **settings):
    settings = WorkerSettings(ray=address, cpus=0.5, **settings)
    return train_all(settings, trials, StubTrainer(folder / "began", digest), StubStore(folder), Tracker())


def results_in(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in folder.glob("*.txt")}


def test_every_result_is_there_once_though_workers_die(cluster, folder):
    trials = [StubTrial(number, seconds=0.05, deaths=number % 7 == 2) for number in range(20)]
    assert train(cluster, folder, trials) == {}
    assert results_in(folder) == {trial.key: str(trial.number**2) for trial in trials}
    assert len(list((folder / "began").glob("*.*"))) == len(trials) + 3


def test_one_that_always_fails_is_tried_so_often_and_the_others_go_on(cluster, folder):
    trials = [StubTrial(0, error="no such thing"), StubTrial(1, deaths=9), StubTrial(2)]
    assert train(cluster, folder, trials, attempts=2) == {
        "00000": f"{FAILED} 2 times, the last: no such thing",
        "00001": f"{FAILED} 2 times, the last: its worker or its machine died",
    }
    assert results_in(folder) == {"00002": "4"}


def test_other_data_in_a_worker_end_everything_with_one_line(cluster, folder, monkeypatch):
    monkeypatch.setenv("STUB_DIGEST", "b" * 64)  # goes to the workers with the trainer
    with pytest.raises(WorkerRefused, match="other images for stub . .* give both the same data"):
        train(cluster, folder, [StubTrial(0), StubTrial(1, seconds=5.0)], digest="a" * 64)
    assert results_in(folder) == {}


HEAD = """
import sys
from pathlib import Path
from helpers.stub_trials import StubStore, StubTrainer, StubTrial
from papergan.config.workers import WorkerSettings
from papergan.studies.workers import train_all
from papergan.tracking import Tracker
folder = Path(sys.argv[1])
trials = [StubTrial(number, seconds=60.0) for number in range(2)]
settings = WorkerSettings(ray=sys.argv[2], cpus=0.5)
train_all(settings, trials, StubTrainer(folder / "began"), StubStore(folder), Tracker())
"""


def head_of(folder: Path, address: str) -> subprocess.Popen:
    """A process that trains two trials of a minute on the cluster, once both have begun."""
    environment = {**os.environ, "PYTHONPATH": PATHS}
    head = subprocess.Popen([sys.executable, "-c", HEAD, folder, address], env=environment, stderr=subprocess.PIPE)
    wait_for(lambda: len(list((folder / "began").glob("*.0"))) == 2)
    time.sleep(0.5)
    return head


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on_after_the_end_of_the_head(cluster, folder, number):
    head = head_of(folder, cluster)
    head.send_signal(number)
    assert head.wait(60) == -number
    if number == signal.SIGINT:  # they save; after a kill Ray ends them, and they go on from the last checkpoint
        wait_for(lambda: len(list((folder / "began").glob("*.saved"))) == 2)
    assert results_in(folder) == {}
    assert train(cluster, folder, [StubTrial(number) for number in range(3)]) == {}
    assert len(results_in(folder)) == 3


def test_a_cluster_that_is_lost_ends_the_head_with_one_line(folder):
    with started(2) as found:
        head = head_of(folder, address := found.address)
    said = head.communicate(timeout=120)[1].decode()
    assert head.returncode == 1
    assert f"papergan: the Ray cluster at {address} is lost" in said.splitlines()[-1]


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
