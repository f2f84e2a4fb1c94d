"""What may go from a workspace, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from papergan.datasets.scores import ScoreCardsDataset
from papergan.evaluation.scorecard import ScoreCard
from papergan.maintenance.checkpoints import finished_checkpoints, useless_checkpoints
from papergan.maintenance.locked_experiments import RUNNING
from papergan.maintenance.mlflow_artifacts import crowded_pictures, free_locks
from papergan.maintenance.retention import RetentionRecipe
from papergan.maintenance.scan import MODELS, PRIMARY, REPORTING, SHELF, STORE, Disk, Removal
from papergan.maintenance.shared_files import FEATURES, IMAGES, finished_drafts, unused_features, unused_images
from papergan.maintenance.versions import old_versions

ASIDE = re.compile(r"\..+\.part")  # as files.write_whole names them
LAYERS = (PRIMARY, MODELS, REPORTING)  # with a folder per experiment

LEFT = "files that killed processes left aside"


@dataclass(frozen=True)
class Plan:
    """removals: in an order that is safe. notes: what is left alone, and why. faults: what went wrong."""

    removals: tuple[Removal, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Workspace:
    """data, mlruns: the two folders that are looked at, links resolved; nothing outside them is touched."""

    data: Path
    mlruns: Path

    @classmethod
    def at(cls, folder: Path) -> Workspace:
        """The workspace in this folder."""
        return cls((folder / "data").resolve(), (folder / "mlruns").resolve())

    def owner(self, path: Path) -> str | None:
        """Whose path this is: the experiment's name, None for what is nobody's or everybody's."""
        parts = path.relative_to(self.data).parts if path.is_relative_to(self.data) else ()
        return parts[1] if len(parts) > 2 and parts[0] in LAYERS and parts[1] not in (STORE, SHELF) else None


def plan(
    place: Workspace,
    retention: RetentionRecipe,
    busy: Mapping[str, str],
    *,
    experiment: str | None = None,
    now: float | None = None,
) -> Plan:
    """Look at a workspace; nothing is changed.

    busy: experiments that are left alone, and what is happening to them, see `busy.busy`. experiment: only what is its
    own; None = everything. now: seconds since the epoch, None = the present.
    """
    disk, notes = Disk(now), [f"{name} {what}: left alone" for name, what in sorted(busy.items())]
    removals = list(_left_aside(disk, place, busy, experiment))
    shown = ScoreCardsDataset(filepath=str(place.data / REPORTING), models=str(place.data / MODELS)).load()
    for name in _experiments(disk, place) if experiment is None else [experiment]:
        if name not in busy:
            removals += _of_one(disk, place.data, name, retention, shown)
    if experiment is None:
        removals += _shared(disk, place.data, busy, notes)
        removals += crowded_pictures(disk, place.mlruns, retention.pictures)
        removals += free_locks(disk, place.mlruns)
    return Plan(tuple(removals), tuple(notes), tuple(dict.fromkeys(disk.faults)))


def confirmed(found: Plan, place: Workspace, busy: Mapping[str, str]) -> Plan:
    """What still holds of a plan that was shown; what does not, since somebody began to work, becomes a fault."""
    disk, kept, faults = Disk(), [], []
    unused = set(_shared(disk, place.data, busy, notes=[]))
    for removal in found.removals:
        if removal.experiment is not None and removal.experiment in busy:
            faults.append(f"{removal.experiment} {busy[removal.experiment]} now: left alone")
        elif removal.reason in (IMAGES, FEATURES) and removal not in unused:
            faults.append(f"{removal.pieces[0].path}: may be needed now; left alone")
        else:
            kept.append(removal)
    return Plan(tuple(kept), found.notes, tuple(dict.fromkeys([*found.faults, *disk.faults, *faults])))


def _left_aside(disk: Disk, place: Workspace, busy: Mapping[str, str], experiment: str | None) -> Iterator[Removal]:
    whole = [place.data, place.mlruns]
    for folder in whole if experiment is None else [place.data / layer / experiment for layer in LAYERS]:
        for path in disk.below(folder, ASIDE):
            owner = place.owner(path)
            if owner not in busy and disk.is_old(path):
                yield from disk.removal(LEFT, path, experiment=owner)


def _experiments(disk: Disk, place: Workspace) -> list[str]:
    """Everything that has a folder of its own, configured or not."""
    return sorted({folder.name for layer in LAYERS for folder in disk.folders(place.data / layer)})


def _of_one(
    disk: Disk, data: Path, name: str, retention: RetentionRecipe, shown: Mapping[str, ScoreCard]
) -> Iterator[Removal]:
    old = old_versions(disk, data, name, retention.versions, shown)
    yield from old
    yield from useless_checkpoints(disk, data, name)
    if retention.checkpoints == "unfinished":
        going = {piece.path for removal in old for piece in removal.pieces}
        yield from finished_checkpoints(disk, data, name, going)


def _shared(disk: Disk, data: Path, busy: Mapping[str, str], notes: list[str]) -> Iterator[Removal]:
    """An experiment in training has its pointers; one that is run may be about to write them."""
    if RUNNING in busy.values():
        notes.append("images and features that experiments share are left alone while an experiment is run")
        return
    yield from unused_images(disk, data, notes)
    yield from unused_features(disk, data, notes)
    yield from finished_drafts(disk, data)
