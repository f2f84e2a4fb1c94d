"""What MLflow keeps of runs that are over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from papergan.maintenance.locked_experiments import held
from papergan.maintenance.scan import Disk, Removal

RUN = re.compile(r"[0-9a-f]{32}")
LOCK = re.compile(r"[0-9a-f]{32}\.lock")
PICTURE = re.compile(r"step-\d{9,15}\.png")

PICTURES = "sample grids between others of the same MLflow run"
LOCKS = "locks of MLflow runs whose process is gone"


def crowded_pictures(disk: Disk, mlruns: Path, most: int) -> Iterator[Removal]:
    """Sample grids beyond `most` of every run that is over, evenly from among them; the first and the last stay."""
    for group in disk.folders(mlruns / "artifacts"):
        for run in disk.folders(group, RUN):
            if held(mlruns / "running" / f"{run.name}.lock"):
                continue
            pictures = disk.files(run / "artifacts" / "samples", PICTURE)
            kept = _evenly(len(pictures), most)
            for number, path in enumerate(pictures):
                if number not in kept:
                    yield from disk.removal(PICTURES, path)


def free_locks(disk: Disk, mlruns: Path) -> Iterator[Removal]:
    """Locks that nobody holds. Younger ones stay: a run makes its lock a moment before it holds it."""
    for lock in disk.files(mlruns / "running", LOCK):
        if disk.is_old(lock) and not held(lock):
            yield from disk.removal(LOCKS, lock)


def _evenly(count: int, most: int) -> set[int]:
    """At most `most` (at least 2) of 0..count-1, evenly apart, both ends among them."""
    if count <= most:
        return set(range(count))
    return {round(place * (count - 1) / (most - 1)) for place in range(most)}
