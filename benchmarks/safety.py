"""The cost of safety checks: `python benchmarks/safety.py --system hybrid --batch-size 64`.

Times, in one process and alternating, a step with and without the check for non-finite numbers, and a save with its
parts: the check of all weights, serialising, SHA-256, and writing with its syncs. Then the share of a run that saves
take. `--overrides '{"width": 16}'` for smaller networks. Prints Markdown; `--json FILE` keeps the results.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in papergan.settings, before torch is loaded

import torch

from papergan import systems
from papergan.atomic_files import write_whole
from papergan.data.drawn.shapes import synthetic_shapes
from papergan.data.images import ImageSpec
from papergan.game.nan_guard import NonFiniteGuard, check_finite
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.tracking import provenance
from papergan.training.batches import Batches
from papergan.training.checkpoint import CheckpointStore


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", default="hybrid")
    parser.add_argument("--overrides", type=json.loads, default={})
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, help="where to write; by default the system's temporary folder")
    parser.add_argument("--json", type=Path)
    for name, default in (("batch-size", 64), ("steps", 20), ("saves", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--save-minutes", type=float, default=5.0)
    given = parser.parse_args()
    figures = measure(given)
    print(f"{figures['hardware']}, torch {torch.__version__}, {given.system} {given.overrides or ''}\n")
    print("| what | median |\n|---|---|")
    for name, value in figures["milliseconds"].items():
        print(f"| {name} | {value:.2f} ms |")
    print(f"| checkpoint | {figures['bytes'] / 2**20:.1f} MiB |")
    print(f"| share of a run, saving every {given.save_minutes:g} minutes | {figures['share of saves']:.4%} |")
    print(f"| share of a step, the watch | {figures['share of the watch']:.2%} |")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Medians in milliseconds, and shares."""
    device = torch.device(given.device)
    game = systems.build(given.system, ImageSpec(3, 32, 10), given.overrides, seed=0).to(device)
    images = synthetic_shapes("train", max(256, given.batch_size))
    batches = Batches(images.images, images.labels, batch_size=given.batch_size, seed=0, device=device)
    guard, step = NonFiniteGuard(device), 0

    def a_step(watched: bool) -> None:
        nonlocal step
        count = game.batches_per_step
        real = [batches.at(step * count + repeat) for repeat in range(count)]
        training_step(game, real, Progress(step), guard if watched else None)
        step += 1
        if watched and step % 50 == 0:
            guard.check()

    times: dict[str, list[float]] = {"step": [], "step without the watch": []}
    for _ in range(3):
        a_step(watched=True)
    for _ in range(given.steps):  # alternating, so that a machine that slows down affects both equally
        times["step"].append(_milliseconds(device, lambda: a_step(watched=True)))
        times["step without the watch"].append(_milliseconds(device, lambda: a_step(watched=False)))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        size = _saves(times, game, device, Path(folder), given.saves)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "hardware": provenance.hardware(device), "torch": torch.__version__, "system": given.system,
        "overrides": given.overrides, "batch_size": given.batch_size, "bytes": size, "milliseconds": medians,
        "share of saves": medians["save"] / (medians["save"] + 60_000 * given.save_minutes),
        "share of the watch": medians["step"] / medians["step without the watch"] - 1,
    }  # fmt: skip


def _saves(times: dict[str, list[float]], game: Any, device: torch.device, folder: Path, count: int) -> int:
    store = CheckpointStore(folder, "recipe")
    store.folder.mkdir(parents=True)
    content = b""

    def serialise() -> None:
        nonlocal content
        buffer = io.BytesIO()
        torch.save(game.state_dict(), buffer)
        content = buffer.getvalue()

    for turn in range(count):
        parts: dict[str, Callable[[], object]] = {
            "save": lambda turn=turn: (check_finite(0, game.state_dict()), store.save(turn, game.state_dict())),  # type: ignore[misc]
            "of which: are all weights finite": lambda: check_finite(0, game.state_dict()),
            "of which: serialising": serialise,
            "of which: SHA-256": lambda: hashlib.sha256(content).hexdigest(),
            "of which: writing, syncing, renaming": lambda: write_whole(folder / "alone", content),
        }
        for name, part in parts.items():
            times.setdefault(name, []).append(_milliseconds(device, part))
    return len(content)


def _milliseconds(device: torch.device, work: Callable[[], object]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
