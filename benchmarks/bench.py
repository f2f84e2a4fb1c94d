"""Times the training of one game on one device, with random images."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in papergan.settings, before torch is loaded

import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from counting import Counts, count, has_penalty, how_often, playing, taken_together, without_penalties
from host import OnCPU, OnGPU
from papergan import systems
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.game import Game
from papergan.game.nan_guard import NonFiniteGuard
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row, RunningMean
from papergan.training.numerics import autocast_type, choose_device
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer

PIXELS = 4096 * 32 * 32  # of all random images together, for any image size
REPORTS = 5


class Bench:
    """A recipe's game and images. memory_before: bytes in use before the game is built."""

    def __init__(self, recipe: Recipe, size: int) -> None:
        self.recipe, self.batch_size = recipe, recipe.training.batch_size
        self.process_group = _process_group_of(recipe)
        self.device = choose_device(recipe.training.device) if self.process_group is None else _device_here(recipe)
        self.spec = ImageSpec(3, size, 10)
        self.autocast = autocast_type(recipe.training.precision)
        number = max(PIXELS // size**2, 2 * self.batch_size)
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(0, 256, (number, 3, size, size), dtype=torch.uint8, generator=generator)
        self.labels = torch.zeros(number, dtype=torch.int64)
        self.memory_before = self.peak_memory = peak_memory(self.device)
        self.game = systems.build(recipe.system, self.spec, recipe.overrides, seed=0).to(self.device)

    def batches(self) -> Batches:
        shard = {} if self.process_group is None else {"shard": self.process_group.rows}
        flip = self.recipe.training.horizontal_flip
        return Batches(
            self.pixels, self.labels, batch_size=self.batch_size, seed=0, device=self.device, flip=flip, **shard
        )

    def loop(self, steps: int, warm_up: int) -> list[float]:
        """Images per second in each report of `Trainer` itself, after the warm-up."""
        rows: list[Row] = []
        every = max(steps // REPORTS, 1)

        def report(row: Row) -> None:
            rows.append(row)
            self.peak_memory = peak_memory(self.device)  # now, since the save at the end is not part of a step

        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._train(Trainer, warm_up + every * REPORTS, every, report)
        return [row["images_per_second"] for row in rows if row["step"] > warm_up + every / 2]

    def host(self, steps: int) -> float:
        """The share of a step that the host spends in Python and dispatch, 0 to 1; median of `steps` after one more.

        An upper bound: on a GPU the host may wait for space in the queue, on a CPU it includes the profiler.
        """
        kind = OnGPU if self.device.type == "cuda" else OnCPU
        kind.shares.clear()
        self._train(kind, steps + 1, steps + 1, lambda row: None)
        return statistics.median(kind.shares[1:])

    def _train(self, kind: type[Trainer], steps: int, every: int, report: Callable[[Row], None]) -> None:
        """Run the training loop, with every setting of the recipe that the loop knows."""
        asked = self.recipe.training.model_dump()
        settings = {field.name: asked[field.name] for field in fields(TrainSettings) if field.name in asked}
        if self.process_group is not None:
            settings["cuda_graphs"] = False  # as in the pipeline
        settings = TrainSettings(**settings | {"steps": steps, "report_every": every, "save_minutes": 1e9})
        with tempfile.TemporaryDirectory() as folder:
            store = CheckpointStore(Path(folder), "benchmark")
            kind(self.game, self.batches(), settings, store, Callbacks(report=report, **self._others())).run()

    def _others(self) -> dict[str, Any]:
        """Callbacks that announce every step to other ranks; empty without any, as older library versions have none."""
        if self.process_group is None:
            return {}
        from papergan.training.leader import Leader

        spec = [self.spec.channels, self.spec.size, self.spec.num_classes]
        about = {
            "recipe": self.recipe.model_dump_json(), "spec": spec, "images": self.pixels, "labels": self.labels,
        }  # fmt: skip
        return {"leader": Leader(self.process_group, about)}

    def parts(self, steps: int) -> dict[str, float]:
        """Milliseconds for each part of a mean step: medians, with each turn weighted by how often it is taken."""
        times: dict[tuple[str, float], list[float]] = {}
        batches = self.batches()
        for step in range(steps + 1):
            for name, weight, piece in self._pieces(batches, step):
                times.setdefault((name, weight), []).append(self.milliseconds(piece))
        parts: dict[str, float] = {}
        for (name, weight), values in times.items():
            where = name.split("#")[0]  # after the #: which turn
            parts[where] = parts.get(where, 0.0) + weight * statistics.median(values[1:])
        return parts

    def _pieces(self, batches: Batches, step: int) -> Iterator[tuple[str, float, Callable[[], object]]]:
        """The parts of step `step`: name, weight, and the function to run."""
        real: list[Any] = []
        yield "batches", 1.0, lambda: real.extend(self.draw(batches, step))
        report: dict[str, Any] = {}
        guard, meter = NonFiniteGuard(self.device), RunningMean()
        for number, turns in enumerate(taken_together(self.game)):
            turn, players = turns[0], " and ".join(turn.player for turn in turns)
            alone, often, mark = playing(self.game, turns), how_often(turn), f"#{number}"
            watched = partial(self.training_step, alone, real, step, guard)
            yield f"turns of {players}{mark}", often, lambda watched=watched: report.update(watched())  # type: ignore[misc]
            if len(turns) == 1 and has_penalty(turn):
                yield f"penalties{mark}", often, partial(self.training_step, alone, real, step)
                if (rest := without_penalties(turn)) is not None:
                    yield (
                        f"penalties{mark} without",
                        -often,
                        partial(self.training_step, playing(self.game, [rest]), real, step),
                    )
        if (average := self.game.average) is not None:
            yield "average", 1.0, lambda: average.update(Progress(step))
        yield "logging", 1.0, lambda: meter.add(report)
        yield "logging#report", 1 / self.recipe.training.report_every_steps, lambda: (guard.check(), meter.read())

    def draw(self, batches: Batches, step: int) -> list[Any]:
        repeats = self.game.batches_per_step
        return [batches.at(step * repeats + repeat) for repeat in range(repeats)]

    def training_step(
        self, game: Game, real: list[Any], step: int, guard: NonFiniteGuard | None = None
    ) -> dict[str, Any]:
        return training_step(game, real, Progress(step), guard, self.autocast)

    def counts(self) -> Counts:
        real = self.draw(self.batches(), 0)
        return count(self.game, lambda game: self.training_step(game, real, 0))

    def launches(self) -> float:
        """Kernels launched in a mean step on a GPU, as torch's profiler sees them; on a CPU, operators that compute."""
        if self.device.type != "cuda":
            return self.counts().operators
        real, total = self.draw(self.batches(), 1), 0.0
        for turns in taken_together(self.game):
            kernels = self._kernels(partial(self.training_step, playing(self.game, turns), real, 1))
            total += how_often(turns[0]) * kernels
        return total + (self._kernels(partial(average.update, Progress(1))) if (average := self.game.average) else 0)

    def _kernels(self, work: Callable[[], object]) -> int:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            work()
            self.wait()
        return sum(map(_is_kernel, profile.events() or []))

    def attainable(self) -> dict[str, float]:
        """FLOP/s of a large convolution and a large matrix product in the recipe's precision, the best of five."""
        kind, last = self.autocast or torch.float32, torch.channels_last
        side = 8192 if self.device.type == "cuda" else 1024
        left, right = (torch.randn(side, side, device=self.device, dtype=kind) for _ in range(2))
        images = torch.randn(64, 256, 32, 32, device=self.device, dtype=kind).contiguous(memory_format=last)
        weight = torch.randn(256, 256, 3, 3, device=self.device, dtype=kind).contiguous(memory_format=last)
        work: dict[str, tuple[float, Callable[[], object]]] = {
            "product": (2.0 * side**3, lambda: left @ right),
            "convolution": (2.0 * 64 * 256 * 256 * 9 * 32 * 32, lambda: torch.conv2d(images, weight, padding=1)),
        }
        return {
            name: 1000 * flops / min(self.milliseconds(run) for _ in range(5)) for name, (flops, run) in work.items()
        }

    def milliseconds(self, work: Callable[[], object]) -> float:
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return 1000 * (time.perf_counter() - started)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _is_kernel(event: Any) -> bool:
    on_gpu = event.device_type == torch.autograd.DeviceType.CUDA
    return (
        on_gpu and not event.name.startswith(("Memcpy", "Memset")) and not getattr(event, "is_user_annotation", False)
    )


def peak_memory(device: torch.device) -> int:
    """The peak so far, in bytes: of the allocator on a GPU, of the whole process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def is_distributed() -> bool:
    """Whether torchrun started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1").strip() not in ("", "1")


def _process_group_of(recipe: Recipe) -> Any:
    """The process group. Imported only if there are other ranks, since older library versions are measured as well."""
    if not is_distributed():
        if getattr(recipe.training, "devices", 1) != 1:
            raise RecipeError(
                f"training.devices is {recipe.training.devices}, but one process was started; use torchrun"
            )
        return None
    from papergan.training.process_group import current

    process_group = current()
    if process_group is None or process_group.world != recipe.training.devices:
        raise RecipeError(f"torchrun started {os.environ['WORLD_SIZE']} processes: --set training.devices to as many")
    return process_group


def _device_here(recipe: Recipe) -> torch.device:
    from papergan.training.process_group import device_here

    return device_here(recipe.training.device)
