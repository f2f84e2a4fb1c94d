"""Checkpoints: those that nothing can be resumed from, and, if asked, those of finished runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from pathlib import Path

from kedro.io import DatasetError, Version

from papergan.datasets.weights import WeightsDataset
from papergan.maintenance.scan import MODELS, Disk, Removal
from papergan.maintenance.versions import TRAINED, about
from papergan.training.checkpoint_files import DATA, is_whole, looks_whole, manifest_at, referenced_data, steps_among

FINGERPRINT = re.compile(r"[0-9a-f]{12}")

USELESS = "checkpoints that are damaged, and data that no manifest vouches for"
FINISHED = "checkpoints of finished runs"


def useless_checkpoints(disk: Disk, data: Path, experiment: str) -> Iterator[Removal]:
    """What no run can be resumed from, as resuming judges it. Where no step is whole, all stay: else training would
    start anew in silence.
    """
    for folder in disk.folders(data / MODELS / experiment / "checkpoints", FINGERPRINT):
        steps, lock = steps_among(disk.names(folder)), folder / "lock"
        referenced = {path for step in steps for path in referenced_data(folder, step)}
        for path in disk.files(folder, DATA):
            if path not in referenced:
                yield from disk.removal(USELESS, path, experiment=experiment, lock=lock)
        for step in _damaged(folder, steps):
            yield from disk.removal(USELESS, *_files(disk, folder, step), experiment=experiment, lock=lock)


def finished_checkpoints(disk: Disk, data: Path, experiment: str, going: Set[Path]) -> Iterator[Removal]:
    """Checkpoints of recipes whose trained weights, of the same step, are there and whole; the newest goes last.

    going: weights that are to be removed, and therefore prove nothing.
    """
    for folder in disk.folders(data / MODELS / experiment / "checkpoints", FINGERPRINT):
        steps = steps_among(disk.names(folder))
        if not steps or _trained_steps(disk, data / MODELS / experiment / TRAINED, folder.name, going) != steps[-1]:
            continue
        damaged = _damaged(folder, steps)  # removed as such
        for step in steps:
            if step not in damaged:
                files = _files(disk, folder, step)
                yield from disk.removal(FINISHED, *files, experiment=experiment, lock=folder / "lock")


def _damaged(folder: Path, steps: list[int]) -> list[int]:
    """Steps that are surely damaged where another is surely whole. Nothing is read of those whose size is right, unless
    one of them has to prove that the others are not needed.
    """
    doubtful = [step for step in steps if not looks_whole(folder, step, folder.name)]
    judged = {step: is_whole(folder, step, folder.name) for step in doubtful}
    damaged = [step for step, whole in judged.items() if whole is False]
    others = (step for step in reversed(steps) if step not in damaged)
    return damaged if damaged and any(is_whole(folder, step, folder.name) for step in others) else []


def _files(disk: Disk, folder: Path, step: int) -> list[Path]:
    """The manifest of a step and its data, to be removed in this order; none where one is a link or no file: whoever
    put it there wants it there.
    """
    manifest, data = manifest_at(folder, step), referenced_data(folder, step)
    there = {folder / name for name in disk.names(folder)} & {manifest, *data}
    plain = set(disk.files(folder, re.compile(".+"))) & there
    return [manifest, *sorted(data & plain)] if plain == there else []


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
