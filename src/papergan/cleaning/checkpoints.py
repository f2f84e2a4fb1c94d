"""Checkpoints: those that nothing can be resumed from, and, if asked, those of finished runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from kedro.io import DatasetError, Version

from papergan.cleaning.found import MODELS, Disk, Removal
from papergan.cleaning.versions import TRAINED, about
from papergan.io.weights import WeightsDataset

FINGERPRINT = re.compile(r"[0-9a-f]{12}")
MANIFEST = re.compile(r"step-(\d{9,15})\.json")
DATA = re.compile(r"(step-\d{9,15})-([0-9a-f]{12})\.pt")

USELESS = "checkpoints that are damaged, and data that no manifest vouches for"
FINISHED = "checkpoints of finished runs"


@dataclass(frozen=True)
class _Saved:
    """One manifest and the files that are its own. whole: as far as their size tells."""

    step: int
    manifest: Path
    data: tuple[Path, ...]
    whole: bool


def useless_checkpoints(disk: Disk, data: Path, experiment: str) -> Iterator[Removal]:
    """What no run can be resumed from. The last manifest stays even so: without it, training would start anew."""
    for folder in disk.folders(data / MODELS / experiment / "checkpoints", FINGERPRINT):
        saved, unvouched = _look(disk, folder)
        lock = folder / "lock"
        for path in unvouched:
            yield from disk.removal(USELESS, path, experiment=experiment, lock=lock)
        for one in saved if any(one.whole for one in saved) else ():
            if not one.whole:
                yield from disk.removal(USELESS, one.manifest, *one.data, experiment=experiment, lock=lock)


def finished_checkpoints(disk: Disk, data: Path, experiment: str, going: Set[Path]) -> Iterator[Removal]:
    """Checkpoints of recipes whose trained weights, of the same step, are there and whole; the newest goes last.

    going: weights that are to be removed, and therefore prove nothing.
    """
    for folder in disk.folders(data / MODELS / experiment / "checkpoints", FINGERPRINT):
        saved, _ = _look(disk, folder)
        if (
            not saved
            or _trained_steps(disk, data / MODELS / experiment / TRAINED, folder.name, going) != saved[-1].step
        ):
            continue
        some_whole = any(one.whole for one in saved)
        for one in saved:
            if one.whole or not some_whole:  # the others are useless, and removed as such
                yield from disk.removal(FINISHED, one.manifest, *one.data, experiment=experiment, lock=folder / "lock")


def _look(disk: Disk, folder: Path) -> tuple[list[_Saved], list[Path]]:
    """Every manifest, the oldest first, and data that none of them vouches for."""
    data = disk.files(folder, DATA)
    saved = [_saved(manifest, data) for manifest in disk.files(folder, MANIFEST)]
    vouched = {path for one in saved for path in one.data}
    return sorted(saved, key=lambda one: one.step), [path for path in data if path not in vouched]


def _saved(manifest: Path, data: Sequence[Path]) -> _Saved:
    """A manifest that cannot be understood may speak of all data of its step; such a step is not whole."""
    step = int(manifest.stem.removeprefix("step-"))
    mine = [path for path in data if path.name.startswith(f"{manifest.stem}-")]
    try:
        facts = json.loads(manifest.read_bytes())
        mine = [path for path in mine if path.name == f"{manifest.stem}-{facts['sha256'][:12]}.pt"]
        whole = [path.stat().st_size for path in mine] == [facts["bytes"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        whole = False
    return _Saved(step, manifest, tuple(mine), whole)


def _trained_steps(disk: Disk, trained: Path, fingerprint: str, going: Set[Path]) -> int | None:
    """How far the newest weights of this recipe were trained; None where there are none, or damaged ones."""
    for folder in reversed(disk.folders(trained)):
        path = folder / TRAINED
        if path in going or about(path).get("recipe") != fingerprint:
            continue
        try:
            weights = WeightsDataset(filepath=str(trained), version=Version(folder.name, None)).load()
            return int(weights.metadata["step"])
        except (DatasetError, KeyError, ValueError):
            return None
    return None
