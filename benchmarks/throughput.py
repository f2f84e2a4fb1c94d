"""How fast a game trains: `python benchmarks/throughput.py --experiment hybrid_cifar10`.

Images per second of the training loop as it really runs (batches, every turn, average, reports), where the time of a
step goes, and how much of what the device can do is used. `--set training.precision=bfloat16 overrides.width=16`
changes the recipe; `--json FILE` keeps the figures, `--compare FILE` sets them against earlier ones. Prints Markdown.

Shares are of steps that are timed piece by piece, waiting for the device after each, so that they add up to slightly
more than a step. "penalties" is what a step takes less without gradient penalty and R1. FLOPs are counted
by torch over one step; attainable is the better of a large convolution and a large product in the same precision.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as papergan.settings has it, before torch is loaded

import torch
import yaml
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from papergan import experiments, systems
from papergan.data.images import ImageSpec
from papergan.game.game import Game, Turn
from papergan.game.knobs import Progress
from papergan.game.penalties import R1, GradientPenalty
from papergan.game.play import play
from papergan.recipe import Recipe
from papergan.tracking import provenance
from papergan.training.batches import Batches
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row
from papergan.training.numerics import autocast_type, choose_device, numerics
from papergan.training.train import Listeners, Plan, Training

NUM_IMAGES = 4096
REPORTS = 5
PENALTIES = (GradientPenalty, R1)


def main() -> None:
    """Measure, print, keep, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="hybrid_cifar10")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the recipe, as YAML")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, default=32, help="of images, which are random")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--compare", type=Path)
    given = parser.parse_args()
    figures = measure(recipe_of(given.experiment, given.set), given)
    print(table(figures, json.loads(given.compare.read_text()) if given.compare else None))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def recipe_of(experiment: str, changes: list[str]) -> Recipe:
    """From conf/base, without Kedro, which a training machine need not have."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(experiments.PARAMETERS.glob("*.yml"))]
    tree = {name: recipe for file in files for name, recipe in file.items()}[experiment]
    for change in changes:
        place, _, value = change.partition("=")
        *above, last = place.split(".")
        node = tree
        for key in above:
            node = node.setdefault(key, {})
        node[last] = yaml.safe_load(value)
    return Recipe.parse(experiment, tree)


def measure(recipe: Recipe, given: argparse.Namespace) -> dict[str, Any]:
    """All figures, as plain values."""
    device = choose_device(given.device)
    bench = Bench(recipe, device, given.size)
    with numerics(recipe.training.precision, deterministic=recipe.training.deterministic):
        rates = bench.loop(given.steps, given.warm_up)
        parts, flops = bench.parts(max(given.steps // 5, 2)), bench.flops()
        attainable = bench.attainable()
        launches = bench.launches()
    per_second = statistics.median(rates)
    steps_per_second = per_second / (bench.batch_size * bench.game.batches_per_step)
    return {
        "experiment": given.experiment, "system": recipe.system, "overrides": recipe.overrides,
        "batch_size": bench.batch_size, "precision": recipe.training.precision, "size": given.size,
        "hardware": provenance.hardware(device), "versions": provenance.versions(), "commit": provenance.commit().name,
        "images_per_second": per_second, "spread": [min(rates), max(rates)],
        "milliseconds_per_step": 1000 / steps_per_second, "milliseconds": parts,
        "operations_per_step": launches, "peak_memory_bytes": bench.peak_memory(),
        "flops_per_step": flops, "attainable_flops": attainable,
        "share_of_attainable": flops * steps_per_second / max(attainable.values()),
    }  # fmt: skip


class Bench:
    """One game on one device, and random images to train it on."""

    def __init__(self, recipe: Recipe, device: torch.device, size: int) -> None:
        self.recipe, self.device, self.batch_size = recipe, device, recipe.training.batch_size
        self.spec = ImageSpec(3, size, 10)
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(0, 256, (NUM_IMAGES, 3, size, size), dtype=torch.uint8, generator=generator)
        self.autocast = autocast_type(recipe.training.precision)
        self.game = self.new_game()

    def new_game(self) -> Game:
        return systems.build(self.recipe.system, self.spec, self.recipe.overrides, seed=0).to(self.device)

    def batches(self) -> Batches:
        labels = torch.zeros(NUM_IMAGES, dtype=torch.int64)
        flip = self.recipe.training.horizontal_flip
        return Batches(self.pixels, labels, batch_size=self.batch_size, seed=0, device=self.device, flip=flip)

    def loop(self, steps: int, warm_up: int) -> list[float]:
        """Images per second of each report of `Training` itself, after the warm-up."""
        rows: list[Row] = []
        every = max(steps // REPORTS, 1)
        training = self.recipe.training
        plan = Plan(
            steps=warm_up + every * REPORTS, report_every=every, precision=training.precision, save_minutes=1e9,
            deterministic=training.deterministic,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            store = CheckpointStore(Path(folder), "benchmark")
            run = Training(self.game, self.batches(), plan, store, Listeners(report=rows.append))
            run.run()
        return [row["images_per_second"] for row in rows if row["step"] > warm_up + every / 2]

    def parts(self, steps: int) -> dict[str, float]:
        """Median milliseconds of each piece of a step; turns that are not taken in every step count by their median."""
        times: dict[str, list[float]] = {}
        without = self.new_game()
        without.turns = [_without_penalties(turn) for turn in without.turns]
        batches = self.batches()
        for step in range(steps + 1):
            for name, piece in self.pieces(batches, without, step):
                times.setdefault(name, []).append(self.milliseconds(piece))
        medians = {name: statistics.median(values[1:]) for name, values in times.items()}
        rest = medians.pop("every turn without penalties")
        if any(isinstance(term, PENALTIES) for turn in self.game.turns for term in turn.objective):
            medians["penalties"] = medians["every turn"] - rest
        return medians

    def pieces(self, batches: Batches, without: Game, step: int) -> Iterator[tuple[str, Callable[[], object]]]:
        """What step `step` is made of, ready to run. without: the game without its penalties."""
        real: list[Any] = []
        yield "batches", lambda: real.extend(self.draw(batches, step))
        game = _with_turns(self.game, self.game.turns)
        yield "every turn", lambda: self.play(game, real, step)
        for player in game.players:
            alone = _with_turns(game, [turn for turn in game.turns if turn.player == player])
            yield f"turns of {player}", partial(self.play, alone, real, step)
        yield "every turn without penalties", lambda: self.play(_with_turns(without, without.turns), real, step)
        if (average := self.game.average) is not None:
            yield "average", lambda: average.update(Progress(step))

    def draw(self, batches: Batches, step: int) -> list[Any]:
        count = self.game.batches_per_step
        return [batches.at(step * count + repeat) for repeat in range(count)]

    def play(self, game: Game, real: list[Any], step: int) -> None:
        play(game, real, Progress(step), None, self.autocast)

    def flops(self) -> int:
        """Of one step in which every lazy turn is taken, as torch counts convolutions and products."""
        with FlopCounter() as counter:
            self.play(self.game, self.draw(self.batches(), 0), 0)
        return counter.total

    def launches(self) -> int:
        """Kernels launched per step on a GPU; on a CPU operators of torch."""
        cuda = self.device.type == "cuda"
        activity = torch.profiler.ProfilerActivity.CUDA if cuda else torch.profiler.ProfilerActivity.CPU
        real = self.draw(self.batches(), 1)
        with torch.profiler.profile(activities=[activity]) as profile:
            self.play(self.game, real, 1)
        events = profile.events() or []
        if cuda:
            return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in events)
        return sum(event.name.startswith("aten::") and event.cpu_parent is None for event in events)

    def attainable(self) -> dict[str, float]:
        """FLOP/s of a large convolution and a large product in the recipe's precision, the best of five."""
        kind = self.autocast or torch.float32
        side = 8192 if self.device.type == "cuda" else 1024
        left, right = (torch.randn(side, side, device=self.device, dtype=kind) for _ in range(2))
        images = torch.randn(64, 256, 32, 32, device=self.device, dtype=kind).contiguous(
            memory_format=torch.channels_last
        )
        weight = torch.randn(256, 256, 3, 3, device=self.device, dtype=kind).contiguous(
            memory_format=torch.channels_last
        )
        work: dict[str, tuple[float, Callable[[], object]]] = {
            "product": (2.0 * side**3, lambda: left @ right),
            "convolution": (2.0 * 64 * 256 * 256 * 9 * 32 * 32, lambda: torch.conv2d(images, weight, padding=1)),
        }
        return {
            name: 1000 * flops / min(self.milliseconds(run) for _ in range(5)) for name, (flops, run) in work.items()
        }

    def peak_memory(self) -> int:
        """Bytes: of the allocator on a GPU, of the whole process on a CPU."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def milliseconds(self, work: Callable[[], object]) -> float:
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return 1000 * (time.perf_counter() - started)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class FlopCounter(TorchDispatchMode):
    """Adds up what torch knows of convolutions and products. Its own FlopCounterMode fails under autograd.grad."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if (count := flop_registry.get(func._overloadpacket)) is not None:
            self.total += int(count(*args, **(kwargs or {}), out_val=result))
        return result


def _with_turns(game: Game, turns: Sequence[Turn]) -> Game:
    """The same networks and optimisers, playing these turns only, and without the average."""
    other = copy.copy(game)
    other.turns, other.average = turns, None
    return other


def _without_penalties(turn: Turn) -> Turn:
    kept = tuple(term for term in turn.objective if not isinstance(term, PENALTIES))
    return replace(turn, objective=kept) if kept else replace(turn, when=lambda progress: False)


def table(figures: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Markdown, with the earlier figures and the ratio where there are some."""
    rows = {
        "images per second": figures["images_per_second"],
        "milliseconds per step": figures["milliseconds_per_step"],
        **{f"... {name}": value for name, value in figures["milliseconds"].items()},
        "operations per step": figures["operations_per_step"],
        "peak memory, MiB": figures["peak_memory_bytes"] / 2**20,
        "GFLOP per step": figures["flops_per_step"] / 1e9,
        **{f"attainable GFLOP/s, {name}": value / 1e9 for name, value in figures["attainable_flops"].items()},
        "share of attainable": figures["share_of_attainable"],
    }
    head = f"{figures['experiment']}, batch {figures['batch_size']}, {figures['precision']}, {figures['hardware']}\n\n"
    if before is None:
        return head + "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value:.4g} |" for name, value in rows.items())
    old = dict(line.strip("| ").split(" | ") for line in table(before, None).splitlines()[4:])
    lines = [
        f"| {name} | {old.get(name, '')} | {value:.4g} | {value / float(old[name]):.2f} |"
        for name, value in rows.items()
        if float(old.get(name, 0))
    ]
    return head + "| | before | now | ratio |\n|---|---|---|---|\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
