"""Ten thousand stub trainings on hundreds of Ray workers, some of them killed: lost work, and overhead.

A stub training sleeps one second per step, and saves the number of its step. Nothing is computed, so one machine can
have as many workers as its memory allows. Needs a cluster: `ray start --head`; see docs/clusters.md.

    python benchmarks/trials_at_scale.py --ray 127.0.0.2:6399 --workers 10 50 100 --out RESULTS
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray

from papergan.atomic_files import write_whole
from papergan.config.workers import WorkerSettings
from papergan.studies.workers import train_all
from papergan.tracking import Tracker

CPUS = 2  # of the cluster, which the workers share


@dataclass(frozen=True)
class Stub:
    """A trial with a number of steps of one second."""

    number: int
    steps: int
    seed: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"stub {self.number}"

    @property
    def key(self) -> str:
        return f"{self.number:06d}"


class Store:
    """Stores one file per result, and a line for each time it is stored."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.remote = folder, None

    def find(self, key: str) -> str | None:
        path = self.folder / f"{key}.result"
        return path.read_text() if path.exists() else None

    def keep(self, key: str, result: str) -> None:
        write_whole(self.folder / f"{key}.result", result.encode())
        with (self.folder / f"{key}.kept").open("a") as file:
            file.write(f"{time.time()}\n")


class Trainer:
    """Resumes from the saved step; writes a line "pid step" for each step that it begins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def data_digest(self, trial: Stub) -> str:
        return ""

    def check(self, trial: Stub, found: str) -> None:
        """Accept every result."""

    def __call__(self, trial: Stub, tracker: Tracker) -> str:
        began = time.time()
        saved, steps = self.folder / f"{trial.key}.saved", self.folder / f"{trial.key}.steps"
        done = int(saved.read_text()) if saved.exists() else 0
        with steps.open("a") as file:
            for step in range(done, trial.steps):
                file.write(f"{os.getpid()} {step}\n")
                file.flush()
                time.sleep(1.0)
                aside = saved.with_suffix(".aside")
                aside.write_text(str(step + 1))
                aside.replace(saved)
        own = {"seconds": time.time() - began, "process": os.getpid(), "cpu": time.process_time()}
        (self.folder / f"{trial.key}.own").write_text(json.dumps(own))
        return str(trial.number)


class Meeting(Trainer):
    """Waits until all workers have started: a process starts once, and its start is not part of a trial's cost."""

    def __init__(self, folder: Path, workers: int) -> None:
        super().__init__(folder)
        self.workers = workers

    def __call__(self, trial: Stub, tracker: Tracker) -> str:
        (self.folder / f"{trial.key}.here").touch()
        while len(list(self.folder.glob("*.here"))) < self.workers:
            time.sleep(1.0)
        return str(trial.number)


def run(address: str, workers: int, trials: int, steps: int, killed: int) -> dict[str, Any]:
    """Train the stubs; returns the measurements."""
    settings = WorkerSettings(ray=address, jobs=workers, cpus=round(CPUS / workers * 0.99, 4), attempts=5)
    with TemporaryDirectory() as name:
        folder = Path(name)
        begin_all(folder, settings, workers)
        stop, deaths = threading.Event(), list[int]()
        killer = threading.Thread(target=kill, args=(folder, killed, trials * steps / workers, stop, deaths))
        killer.start()
        wall, cpu = time.perf_counter(), time.process_time()
        failed = train_all(settings, stubs(trials, steps), Trainer(folder), Store(folder), Tracker())
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        stop.set()
        killer.join()
        every = [json.loads(path.read_text()) for path in folder.glob("*.own")]
        own = statistics.mean(one["seconds"] for one in every)
        return {"workers": workers, "trials": trials, "seconds_per_trial": round(own, 3), "killed": len(deaths)} | {
            "failed": len(failed), **counted(folder, trials, steps), "wall_seconds": round(wall, 1),
            "overhead_per_trial": round(wall * workers / trials - own, 3),
            "head_cpu_per_trial": round(cpu / trials, 5), "worker_cpu_per_trial": round(worker_cpu(every), 5),
        }  # fmt: skip


def stubs(trials: int, steps: int) -> list[Stub]:
    """Trials by number."""
    return [Stub(number, steps) for number in range(trials)]


def begin_all(folder: Path, settings: WorkerSettings, workers: int) -> None:
    """Start all processes."""
    began = time.perf_counter()
    first = folder / "first"
    first.mkdir()
    train_all(settings, stubs(workers, 1), Meeting(first, workers), Store(first), Tracker())
    print(f"{workers} processes have started after {time.perf_counter() - began:.0f} s", flush=True)


def pids(folder: Path) -> dict[int, str]:
    """The processes that have begun steps, each with its latest trial."""
    found: dict[int, tuple[float, str]] = {}
    for path in folder.glob("*.steps"):
        lines = path.read_text().split("\n")[:-1]
        if lines and (changed := path.stat().st_mtime) > found.get(pid := int(lines[-1].split()[0]), (0.0, ""))[0]:
            found[pid] = changed, path.stem
    return {pid: key for pid, (_, key) in found.items()}


def kill(folder: Path, count: int, seconds: float, stop: threading.Event, deaths: list[int]) -> None:
    """Send kill -9 to `count` of the processes at random moments within the run; their ids go to `deaths`."""
    draw, began = random.Random(0), time.monotonic()  # noqa: S311
    for moment in sorted(draw.uniform(0.1, 0.9) * seconds for _ in range(count)):
        if stop.wait(max(0.0, began + moment - time.monotonic())):
            return
        alive = [pid for pid in pids(folder) if Path(f"/proc/{pid}").exists()]
        if alive:
            with suppress(ProcessLookupError):
                os.kill(pid := draw.choice(alive), signal.SIGKILL)
                deaths.append(pid)


def counted(folder: Path, trials: int, steps: int) -> dict[str, int]:
    """Counts of correct results, of results stored more than once, and of steps begun beyond those needed."""
    kept = [len(path.read_text().splitlines()) for path in folder.glob("*.kept")]
    begun = sum(len(path.read_text().splitlines()) for path in folder.glob("*.steps"))
    right = sum((folder / f"{stub.key}.result").read_text() == str(stub.number) for stub in stubs(trials, steps))
    return {"results": right, "kept_twice": sum(count > 1 for count in kept), "steps_lost": begun - trials * steps}


def worker_cpu(every: list[dict[str, Any]]) -> float:
    """Processor seconds of a process from the end of one trial to the end of the next, including Ray's part."""
    used: dict[int, list[float]] = {}
    for one in every:
        used.setdefault(one["process"], []).append(one["cpu"])
    spans = [(max(times) - min(times), len(times) - 1) for times in used.values()]
    return sum(span for span, _ in spans) / max(1, sum(count for _, count in spans))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Plot overhead against the number of workers, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([row["workers"] for row in rows], [row["overhead_per_trial"] for row in rows], "o-")
    axes.set(xlabel="workers", ylabel="seconds per trial beyond its own", title="Overhead of a trial on Ray")
    axes.set_ylim(bottom=0)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run every size in turn; results are written after each, in addition to those stored before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray", required=True, help="address of the cluster, HOST:PORT")
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 50, 100, 200])
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 2500, 5000, 10000], help="as many numbers")
    parser.add_argument("--steps", type=int, default=4, help="of a trial, a second each")
    parser.add_argument("--killed", type=float, default=0.05, help="kills, as a share of the workers")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address=given.ray, logging_level="warning")  # one job: its processes are reused from one study to the next
    measured = given.out / "trials_at_scale.json"
    rows: list[dict[str, Any]] = json.loads(measured.read_text()) if measured.exists() else []
    for workers, trials in zip(given.workers, given.trials, strict=True):
        rows.append(run(given.ray, workers, trials, given.steps, max(1, round(given.killed * workers))))
        print(rows[-1], flush=True)
        measured.write_text(json.dumps(rows, indent=1) + "\n")
        draw(rows, given.out / "overhead.png")
    print(f"median overhead {statistics.median(row['overhead_per_trial'] for row in rows)} s")


if __name__ == "__main__":
    main()
