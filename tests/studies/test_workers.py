"""Trials in processes of this machine: whatever dies, each result is there once, and the same as without workers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from helpers.project_run import PROJECT
from helpers.stub_trials import FatalStore, StubStore, StubTrainer, StubTrial
from papergan.config.mode_stress import ModeStressRecipe, trials_of
from papergan.config.workers import WorkerSettings
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.trial_results import ModeTrialStore
from papergan.errors import PaperganError, RecipeError
from papergan.inference.model_library import ModelLibrary
from papergan.studies import workers
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.points.trials import PointsTrainer
from papergan.studies.worker import FAILED, Assignment, Outcome, WorkerRefused, train_one
from papergan.studies.workers import check_workers, run_on, train_all
from papergan.tracking import Tracker
from pipelines.test_experiment import shapes
from pipelines.test_study import store, the_study

TWO, MANY = WorkerSettings(jobs=2), WorkerSettings(jobs=2, attempts=100)
POINTS = {
    "paper": "gan_optimisation_review", "seeds": [0, 1], "steps": 40, "batch_size": 8, "every_steps": 10,
    "samples": 50, "common": {"latent_dim": 2, "width": 4}, "levels": {"hinge": {"loss": "hinge"}},
    "targets": {"ring": {"kind": "ring", "modes": 8, "scale": 2.0, "deviation": 0.02}},
}  # fmt: skip


class Runs(Tracker):
    """The names, times and numbers of nested runs, in the order in which they were told."""

    def __init__(self) -> None:
        self.names, self.rows, self.began = [], [], []

    @contextmanager
    def nested(self, name, parameters, tags, *, began=None):
        self.names.append(name)
        self.began.append(began)
        yield self

    def report(self, row):
        self.rows.append(row)


def results_in(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in folder.glob("*.txt")}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "began").mkdir()
    return tmp_path


def train(folder: Path, trials, settings=TWO, digest="", tracker=None):
    return train_all(settings, trials, StubTrainer(folder / "began", digest), StubStore(folder), tracker or Tracker())


def test_every_result_is_there_once_whatever_dies_and_in_whatever_order_they_end(folder):
    trials = [StubTrial(number, seconds=0.05, deaths=number in (2, 5)) for number in range(8)]
    trials.insert(0, StubTrial(20, seconds=0.5))
    runs = Runs()
    assert train(folder, [*trials, *trials[3:5]], tracker=runs) == {}
    assert results_in(folder) == {trial.key: str(trial.number**2) for trial in trials}
    assert sorted(runs.names) == sorted(f"{trial.name}/seed 0" for trial in trials)
    assert sorted(row["value"] for row in runs.rows) == sorted(trial.number for trial in trials)
    assert all(time.time() - 60 < began < time.time() for began in runs.began)
    assert len(list((folder / "began").glob("*.*"))) == len(trials) + 2  # none was begun again without need
    assert not list(folder.glob(".head*"))
    assert train(folder, trials, tracker=(again := Runs())) == {}
    assert again.names == []


def test_a_result_whose_worker_died_before_it_said_so_is_not_trained_again(folder):
    runs, trainer = Runs(), StubTrainer(folder / "began")
    trials = [StubTrial(number) for number in range(2)]
    assert train_all(TWO, trials, trainer, FatalStore(folder), runs) == {}
    assert results_in(folder) == {"00000": "0", "00001": "1"}
    assert len(list((folder / "began").glob("*.*"))) == 2
    assert runs.names == ["stub 1/seed 0"]  # what it had reported is lost, as with its head


class Backwards:
    """Workers of which those end first that were handed over last."""

    room = 3

    def __init__(self) -> None:
        self.waiting = []

    def submit(self, trial, digest):
        future = Future()
        self.waiting.append((trial, future))
        if len(self.waiting) == self.room:
            threading.Timer(0.01, self.end).start()
        return future

    def end(self) -> None:
        while self.waiting:
            trial, future = self.waiting.pop()
            future.set_result(Outcome(1.0, [("report", ({"step": 1.0, "value": trial.number},))]))


def test_each_is_handed_over_when_there_is_room_and_noted_when_it_ends(folder):
    runs = Runs()
    store, trials = StubStore(folder), [StubTrial(number) for number in (5, 0, 1, 2, 0)]
    store.keep("00005", "found")
    assert run_on(Backwards(), trials, lambda trial: "", store, runs) == {}
    assert runs.names == ["stub 2/seed 0", "stub 1/seed 0", "stub 0/seed 0"]
    assert [row["value"] for row in runs.rows] == [2, 1, 0]
    assert runs.began == [1.0, 1.0, 1.0]


def test_one_that_always_fails_is_tried_so_often_and_the_others_go_on(folder):
    trials = [StubTrial(0, error="no such thing"), StubTrial(1, deaths=9), StubTrial(2)]
    failed = train(folder, trials, settings=WorkerSettings(jobs=2, attempts=2))
    assert failed == {
        "00000": f"{FAILED} 2 times, the last: no such thing",
        "00001": f"{FAILED} 2 times, the last: its process died: killed, or out of memory",
    }
    assert results_in(folder) == {"00002": "4"}
    assert len(list((folder / "began").glob("00000.*"))) == 2 == len(list((folder / "began").glob("00001.*")))


def test_other_data_in_a_worker_end_everything_with_one_line(folder, monkeypatch):
    monkeypatch.setenv("STUB_DIGEST", "b" * 64)
    with pytest.raises(
        WorkerRefused, match=r"other images for stub \d \(bbbbbbbbbbbb\) than the head \(aaaaaaaaaaaa\)"
    ):
        train(folder, [StubTrial(0), StubTrial(1, seconds=9.0)], digest="a" * 64)
    assert results_in(folder) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": "0" * 64}, "other code .* install the same version of papergan"),
        ({"packages": {"python": "2.7"}}, "other versions than the head: python .* for 2.7"),
        ({"note": Path("/elsewhere/.head")}, "does not see the workspace of the head, /elsewhere: put it on a disk"),
        ({"token": "another"}, "does not see the workspace of the head"),
    ],
)
def test_a_worker_that_is_not_as_the_head_refuses(folder, changes, said):
    assignment = Assignment(StubTrainer(folder), StubStore(folder), 1, folder / ".head")
    assignment.publish()
    packages = dict(assignment.packages) | changes.pop("packages", {})
    with pytest.raises(WorkerRefused, match=said) as refused:
        train_one(replace(assignment, packages=packages, **changes), StubTrial(0), "")
    assert len(str(refused.value).splitlines()) == 1


def test_two_heads_on_one_study_do_not_lose_each_others_workers(folder):
    trainer, store = StubTrainer(folder / "began"), StubStore(folder)
    with workers._assignment(TWO, trainer, store) as first:
        with workers._assignment(TWO, trainer, store) as second:
            train_one(first, StubTrial(0), "")
            train_one(second, StubTrial(1), "")
        train_one(first, StubTrial(2), "")
    assert results_in(folder) == {"00000": "0", "00001": "1", "00002": "4"}
    assert not list(folder.glob(".head*"))


def points(tmp_path, seeds: int, steps: int = 40):
    trials = trials_of(ModeStressRecipe.parse("points", POINTS | {"seeds": list(range(seeds)), "steps": steps}))
    plain, other = (ModeTrialStore(tmp_path / name, tmp_path / name / "work") for name in ("plain", "other"))
    train_all(WorkerSettings(), trials, PointsTrainer(plain), plain, Tracker())
    return trials, plain, other


def test_points_come_to_the_same_bits_in_a_worker(tmp_path):
    trials, plain, other = points(tmp_path, 1)
    assert train_all(TWO, trials, PointsTrainer(other), other, Tracker()) == {}
    compare(trials, plain, other)


@pytest.mark.reliability
def test_points_come_to_the_same_bits_after_many_kills(tmp_path):
    trials, plain, other = points(tmp_path, 25, steps=500)
    with kills(50) as killed:
        assert train_all(MANY, trials, PointsTrainer(other), other, Tracker()) == {}
    assert len(killed) > 10  # as many of the fifty as the machine leaves time for
    compare(trials, plain, other)


@pytest.mark.reliability
def test_images_come_to_the_same_bits_after_kills_each_from_its_newest_checkpoint(tmp_path):
    training = {"steps": 150, "save_minutes": 1e-4}
    grids = {"table_1": {"experiments": ["plain", "mixed"], "factors": {}}}
    trials = the_study(grids=grids, claims=[], common={"training": training}).trials
    plain, other = (store(tmp_path / name) for name in ("plain", "other"))
    cache = FeatureCache(tmp_path / "rulers")
    first, trainer = (
        ExperimentTrainer(shapes(tmp_path), cache, one.checkpoints, ModelLibrary(tmp_path)) for one in (plain, other)
    )
    train_all(WorkerSettings(), trials, first, plain, Tracker())
    runs = Runs()
    with kills(5) as killed:
        assert train_all(MANY, trials, trainer, other, runs) == {}
    assert killed
    for trial in trials:
        one, two = (found.find(trial.key) for found in (plain, other))
        assert one.card.final == two.card.final
        assert one.card.generator_digest == two.card.generator_digest
        assert torch.equal(one.samples, two.samples)


def compare(trials, plain, other) -> None:
    for trial in trials:
        one, two = (asdict(store.find(trial.key)) for store in (plain, other))
        assert one | {"seconds_per_step": 0} == two | {"seconds_per_step": 0}


@contextmanager
def kills(most: int):
    """kill -9 to workers at random moments of their lives while the block lasts; yields which were killed."""
    killed: set[str] = set()
    over, draw = threading.Event(), random.Random(0)

    def kill() -> None:
        while len(killed) < most and not over.wait(0.01):
            for number in sorted(workers_now() - killed):
                if over.wait(draw.uniform(0.0, 5.0)):
                    return
                with suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGKILL)
                    killed.add(number)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def workers_now(head: int | None = None) -> set[str]:
    """The processes that executors started here, or in the process `head`."""
    listed = (path.read_text().split() for path in Path(f"/proc/{head or os.getpid()}/task").glob("*/children"))
    return {number for numbers in listed for number in numbers if b"spawn_main" in command_of(number)}


def command_of(number: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{number}/cmdline").read_bytes()
    return b""


HEAD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pathlib import Path
from helpers.stub_trials import StubStore, StubTrainer, StubTrial
from papergan.config.workers import WorkerSettings
from papergan.studies.workers import train_all
from papergan.tracking import Tracker
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    trials = [StubTrial(number, seconds=float(sys.argv[2])) for number in range(3)]
    train_all(WorkerSettings(jobs=2), trials, StubTrainer(folder / "began"), StubStore(folder), Tracker())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_save_and_end_with_the_head_and_the_same_command_goes_on(folder, number):
    paths = os.pathsep.join(str(PROJECT / name) for name in ("src", "tests"))
    head = subprocess.Popen([sys.executable, "-c", HEAD, folder, "60"], env={**os.environ, "PYTHONPATH": paths})
    wait_for(lambda: len(list((folder / "began").glob("*.0"))) == 2)
    time.sleep(0.1)  # until both handle signals
    head.send_signal(number)
    assert head.wait(120) == -number
    wait_for(lambda: len(list((folder / "began").glob("*.saved"))) == 2)
    assert results_in(folder) == {}
    assert train(folder, [StubTrial(number) for number in range(3)]) == {}
    assert len(results_in(folder)) == 3


def test_workers_save_though_a_scheduler_signals_them_as_well_as_the_head(folder):
    paths = os.pathsep.join(str(PROJECT / name) for name in ("src", "tests"))
    settings = {"env": {**os.environ, "PYTHONPATH": paths, "STUB_SLOW_STEP": "1.5"}, "start_new_session": True}
    head = subprocess.Popen([sys.executable, "-c", HEAD, folder, "60"], **settings)
    wait_for(lambda: len(list((folder / "began").glob("*.0"))) == 2)
    time.sleep(0.1)
    for number in workers_now(head.pid):  # systemd, `timeout` and SLURM signal every process of a command
        os.kill(int(number), signal.SIGTERM)
    time.sleep(0.2)
    head.send_signal(signal.SIGINT)
    assert head.wait(120) == -signal.SIGINT
    assert len(list((folder / "began").glob("*.saved"))) == 2


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_cannot_be_is_said_before_anything_runs(monkeypatch):
    check_workers("study", WorkerSettings())
    with pytest.raises(PaperganError, match=r"no Ray cluster at 127.0.0.1:9 .* start one with `ray start --head"):
        monkeypatch.setattr("papergan.studies.ray_workers.find_spec", lambda name: name)
        check_workers("study", WorkerSettings(ray="127.0.0.1:9"))
    monkeypatch.setattr("papergan.studies.ray_workers.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"study.workers.ray: Ray is not installed; pip install 'papergan\[ray\]'"):
        check_workers("study", WorkerSettings(ray="auto"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="start the command without torchrun"):
        check_workers("study", TWO)
    with pytest.raises(RecipeError, match=r"workers.ray: String should match"):
        WorkerSettings.parse("study.workers", {"ray": "ray://there:10001"})


def test_threads_are_divided(monkeypatch, folder):
    monkeypatch.setattr("torch.get_num_threads", lambda: 5)
    with workers._assignment(TWO, StubTrainer(folder), StubStore(folder)) as assignment:
        assert assignment.threads == 2
    with workers._assignment(WorkerSettings(ray="auto", cpus=0.5), StubTrainer(folder), StubStore(folder)) as one:
        assert one.threads == 1
