"""The cost of sharing a step: `torchrun --standalone --nproc-per-node 2 benchmarks/sharing.py --system hybrid`.

Every rank plays the same steps on its rows of random images. Per step, on rank 0: the whole step, the message that
announces it, the sums of gradients, the other sums (BatchNorm, batch means, partners), and the waiting for the slowest
rank before any of these, which is not included in them. `--set width=16` changes the system. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in papergan.settings, before torch is loaded

import torch
import yaml
from torch import distributed

from papergan import systems
from papergan.data.images import ImageSpec
from papergan.game import sharding, training_step
from papergan.game.batch_norm import share_batch_norm
from papergan.game.schedules import Progress
from papergan.training.batches import Batches
from papergan.training.process_group import Command, ProcessGroup, device_here, join

KINDS = ("waiting", "message", "gradients", "other sums")


class Clock:
    """Milliseconds of each kind of sharing within the current step."""

    def __init__(self, process_group: ProcessGroup, device: torch.device) -> None:
        self.process_group, self.device = process_group, device
        self.spent: dict[str, float] = defaultdict(float)
        self._inside = False

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return 1000 * time.perf_counter()

    def timed(self, kind: str, work: Callable[..., Any], *rest: Any, **more: Any) -> Any:
        """Wait for all ranks, then time the work; sums inside work that is already timed are part of it."""
        if self._inside:
            return work(*rest, **more)
        began = self.now()
        distributed.barrier()
        met = self.now()
        self._inside = True
        result = work(*rest, **more)
        self._inside = False
        self.spent["waiting"] += met - began
        self.spent[kind] += self.now() - met
        return result

    def around(self, kind: str, work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *rest, **more: self.timed(kind, work, *rest, **more)

    def announce(self, step: int) -> None:
        self.timed(
            "message",
            lambda: (
                self.process_group.receive_broadcast()
                if self.process_group.rank
                else self.process_group.broadcast(Command.STEP, step)
            ),
        )


def main() -> None:
    """Measure on every rank, print on rank 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", default="hybrid")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the system, as YAML")
    parser.add_argument("--batch-size", type=int, default=64, help="of all ranks together")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    process_group = join()
    device = device_here(given.device)
    settings = {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in given.set)}
    rows = measure(process_group, device, given, settings)
    if process_group.rank == 0:
        show(
            rows, f"{given.system} {settings or ''} on {process_group.world} x {device.type}, batch {given.batch_size}"
        )
        process_group.leave()
    else:
        process_group.receive_broadcast()


def measure(
    process_group: ProcessGroup, device: torch.device, given: argparse.Namespace, settings: dict[str, Any]
) -> list[dict]:
    """Milliseconds by kind, one row per step after the first four."""
    game = systems.build(given.system, ImageSpec(3, 32, 10), settings, seed=0).to(device)
    share_batch_norm(game.networks)
    pixels = torch.randint(0, 256, (2 * given.batch_size, 3, 32, 32), dtype=torch.uint8)
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    batches = Batches(pixels, labels, batch_size=given.batch_size, seed=0, device=device, shard=process_group.rows)
    shard, clock, rows = process_group.shard(device), Clock(process_group, device), []
    training_step.average_over_ranks = clock.around("gradients", training_step.average_over_ranks)
    distributed.all_reduce = clock.around("other sums", distributed.all_reduce)
    for step in range(given.steps + 4):
        clock.spent.clear()
        began = clock.now()
        clock.announce(step)
        real = [batches.at(step * game.batches_per_step + repeat) for repeat in range(game.batches_per_step)]
        torch.manual_seed(step)
        with sharding.use_shard(shard):
            training_step.training_step(game, real, Progress(step, 0, 0.0))
        rows.append({"step": clock.now() - began, **clock.spent})
    return rows[4:]


def show(rows: list[dict], title: str) -> None:
    """Medians over steps, and their share of the median step."""
    whole = statistics.median(row["step"] for row in rows)
    print(f"{title}: {whole:.1f} ms per step, waiting included\n\n| | ms per step | share |\n|---|---|---|")
    for kind in KINDS:
        spent = statistics.median(row.get(kind, 0.0) for row in rows)
        print(f"| {kind} | {spent:.2f} | {100 * spent / whole:.1f} % |")


if __name__ == "__main__":
    main()
