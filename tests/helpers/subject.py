"""A training run that is there to be harmed, in a process of its own.

As a script it is a server: it has torch loaded, takes one request per line and forks a child for each, so that a
hundred processes can be killed in the time that a handful would need to start.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import adaptive_avg_pool2d

from helpers import faults, kinds
from papergan.errors import EvaluationStopped, Interrupted, PaperganError
from papergan.image_range import to_pixels
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.training.batches import Batches
from papergan.training.best_generators import Criterion
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.signals import StopRequest
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer
from papergan.weights import Weights

PLAN = TrainSettings(
    steps=24, seed=3, report_every=5, evaluate_every=8, batch_norm_batches=2, save_minutes=1e-9,
    keep={"best_fid": Criterion("fid", lower_is_better=True)},
)  # fmt: skip


@dataclass
class Subject:
    """One run. kind: of game. step_seconds: how long a step takes at least. fault: one of `faults`, and its numbers."""

    folder: str
    kind: str
    steps: int = PLAN.steps
    step_seconds: float = 0.0
    fault: str | None = None
    at: int = 0
    keep: int = 2

    def training(self, stop: Any = lambda: None, **callbacks: Any) -> Trainer:
        game, pixels = kinds.build(self.kind), kinds.images(self.kind)
        batches = Batches(
            pixels, torch.zeros(len(pixels), dtype=torch.int64), batch_size=8, seed=3, device="cpu", flip=True,
            inputs=kinds.inputs(self.kind, len(pixels)),
        )  # fmt: skip

        def dawdle() -> int | None:
            time.sleep(self.step_seconds)
            return stop()

        def evaluate(sampler: Any, game: Any, progress: Any) -> dict[str, float]:
            if stop() is not None:
                raise Interrupted(stop(), "stopped in an evaluation")
            return {"fid": fid(sampler, pixels)}

        store = CheckpointStore(Path(self.folder), "recipe", keep=self.keep)
        told = Callbacks(**{"stop": dawdle, "evaluate": evaluate, **callbacks})
        return Trainer(game, batches, replace(PLAN, steps=self.steps), store, told)

    def run(self) -> None:
        """To the end; what came out is in result.json, exit status as `kedro run` has it."""
        stop = StopRequest()
        training = self.training(stop)
        if self.fault is not None:
            getattr(faults, self.fault)(training, self.at)
        with stop.installed():
            training.run()
        Path(self.folder, "result.json").write_text(json.dumps(outcome(training)))


def fid(sampler: Any, pixels: torch.Tensor) -> float:
    """A Frechet distance on coarse pixels, so that a score is among what must not change."""
    samples = torch.cat([to_pixels(batch) for batch in sampler.stream(40, seed=1)])
    sides = (adaptive_avg_pool2d(side.float() / 255, 2).flatten(1) for side in (samples, pixels))
    return frechet_distance(*(FeatureStatistics.of(side) for side in sides))


def outcome(training: Trainer) -> dict[str, Any]:
    """Everything that must be the same, however often the run was interrupted; only the clock is left out."""
    state = training.game.state_dict()
    parts = {
        "networks": state["networks"], "average": state["average"], "controllers": flat(state["controllers"]),
        "optimisers": flat(state["optimisers"]),
    }  # fmt: skip
    losses = [{k: v for k, v in row.items() if k != "images_per_second"} for row in training.history.losses]
    history = {"losses": losses, "metrics": training.history.metrics}
    return {
        **{part: Weights(tensors).digest for part, tensors in parts.items()},
        "history": hashlib.sha256(json.dumps(history).encode()).hexdigest(),
        "scores": [row["fid"] for row in training.history.metrics if "fid" in row],
        "best": {
            name: [kept.step, kept.value, Weights(kept.weights).digest]
            for name, kept in training.best.snapshots.items()
        },
        "frames": {frame.step: Weights({"images": frame.images}).digest for frame in training.sample_history.frames},
        "step": training.step,
    }  # fmt: skip


def flat(tree: Any, place: str = "") -> dict[str, torch.Tensor]:
    """Tensors and numbers of a nested mapping by path."""
    if isinstance(tree, dict):
        return {name: tensor for key, value in tree.items() for name, tensor in flat(value, f"{place}.{key}").items()}
    if isinstance(tree, torch.Tensor):
        return {place: tree}
    return {place: torch.tensor(tree)} if isinstance(tree, int | float) else {}


class Server:
    """Children on demand, one at a time. straight: what uninterrupted runs came to; folder: where they were."""

    def __init__(self) -> None:
        self.straight: dict[tuple[str, int], tuple[dict[str, Any], float]] = {}
        self._folder = tempfile.TemporaryDirectory()
        self.folder = self._folder.name
        paths = [str(Path(__file__).parent / folder) for folder in ("..", "../../src")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._line() == "ready"

    def start(self, subject: Subject, kill_after: float | None = None) -> int:
        """Fork a child that runs `subject`. Returns its process id. kill_after: seconds until it gets kill -9."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([vars(subject), kill_after]) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def wait(self) -> int:
        """Exit status of the child; minus the signal that killed it."""
        return int(self._line())

    def run(self, subject: Subject, kill_after: float | None = None) -> int:
        """Start, and wait."""
        self.start(subject, kill_after)
        return self.wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._folder.cleanup()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def serve() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # what a first training imports and sets up, every child would anew
        Subject(folder, "several_players", steps=PLAN.evaluate_every).run()
    print("ready", flush=True)
    for line in sys.stdin:
        subject, kill_after = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                os._exit(_child(Subject(**subject)))
            finally:
                os._exit(71)  # never on as a second server
        print(child, flush=True)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)  # a child that has ended keeps its number until it is waited for
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _child(subject: Subject) -> int:
    said = Path(subject.folder).with_suffix(".said")
    said.parent.mkdir(parents=True, exist_ok=True)
    with said.open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            subject.run()
            return 0
        except Interrupted as stop:
            print(f"papergan: {stop}", flush=True)
            return int(stop.code)
        except KeyboardInterrupt:
            return 130
        except (PaperganError, EvaluationStopped) as error:
            print(f"papergan: {error}", flush=True)
            return 1
        except BaseException:
            traceback.print_exc()
            return 70


if __name__ == "__main__":
    serve()
