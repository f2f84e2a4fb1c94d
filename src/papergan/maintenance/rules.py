"""The rules of `kedro clean`: what is removed from a workspace, and for which reason.

The newest versions of every output are kept, and so is what a score card, a pointer (images.json, reference.json), a
live MLflow run or an unfinished run needs. Links, unknown files and unreadable ones are kept too. The rest is removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from kedro.io import DatasetError, Version

from papergan.atomic_files import check_regular
from papergan.config.registry import TOOLS
from papergan.config.tools import RetentionRecipe
from papergan.datasets.feature_cache import UNFINISHED
from papergan.datasets.image_splits import ImageSplitsDataset
from papergan.datasets.references import ReferencesDataset
from papergan.datasets.scores import FILE, GENERATOR, ScoreCardDataset, ScoreCardsDataset
from papergan.datasets.weights import WeightsDataset
from papergan.errors import PaperganError
from papergan.evaluation.scorecard import ScoreCard
from papergan.maintenance import scan
from papergan.maintenance.scan import CACHE, MODELS, PRIMARY, REPORTING, STORE, VERSION, Disk, Removal, listed
from papergan.messages import sanitise
from papergan.training.checkpoint_files import CHECKPOINT, referenced_data, steps_among

LAYERS = (PRIMARY, MODELS, REPORTING)  # with a folder per experiment
ASIDE = re.compile(r"\..+\.part")  # as atomic_files.write_whole names them
FINGERPRINT = re.compile(r"[0-9a-f]{12}")
RUN, LOCK = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{32}\.lock")
PICTURE = re.compile(r"step-\d{9,15}\.png")
TRAINED = "trained.safetensors"

LEFT = "temporary files of killed processes"
OLDER = "older versions of outputs"
EMPTY = "empty version folders"
STRAY = "data of checkpoints that no manifest names"
FINISHED = "checkpoints of finished runs: results stay, but these runs can no longer be extended"
IMAGES = "images that no experiment points to"
FEATURES = "features of real images that no experiment points to; made again when they are asked for"
DRAFTS = "states of classifiers in training that are finished by now"
PICTURES = "sample grids between others of the same MLflow run"
LOCKS = "locks of MLflow runs whose process is gone"


@dataclass(frozen=True)
class Plan:
    """The plan of a clean-up. removals: in order. notes: what is left alone, and why. errors: what cannot be read."""

    removals: tuple[Removal, ...]
    notes: tuple[str, ...]
    errors: tuple[str, ...]


def plan(
    workspace: Path,
    retention: RetentionRecipe,
    busy: Mapping[str, str],
    *,
    experiment: str | None = None,
    now: float | None = None,
) -> Plan:
    """What to remove from `workspace`/data and `workspace`/mlruns, whose links are resolved; nothing is changed.

    busy: experiments that are left alone, and why, see `scan.busy`. experiment: only what belongs to it;
    None = everything. now: seconds since the epoch, None = the present.
    """
    data, mlruns = (workspace / "data").resolve(), (workspace / "mlruns").resolve()
    disk, notes = Disk(now), [f"{name} {what}: left alone" for name, what in sorted(busy.items())]
    own = [data / layer / str(experiment) for layer in LAYERS if experiment not in busy]
    everywhere = [data, mlruns] if experiment is None else own
    aside = [path for folder in everywhere for path in disk.below(folder, ASIDE, busy)]
    removals = [found for path in aside if disk.is_old(path) for found in disk.removal(LEFT, path)]
    shown = ScoreCardsDataset(filepath=str(data / REPORTING), models=str(data / MODELS)).versions()
    names = {folder.name for layer in LAYERS for folder in disk.folders(data / layer)}
    for name in sorted((names if experiment is None else {experiment}) - busy.keys()):
        removals += _of_experiment(disk, data, name, retention, shown)
    if experiment is None:
        removals += _of_mlflow(disk, mlruns, retention.pictures)
        removals += _shared(disk, data, busy, notes)
    return Plan(tuple(removals), tuple(notes), tuple(dict.fromkeys(disk.errors)))


def _of_experiment(
    disk: Disk, data: Path, name: str, retention: RetentionRecipe, shown: Mapping[str, str]
) -> Iterator[Removal]:
    old: list[Removal] = []
    try:
        old += _old_versions(disk, data, name, retention.versions, _needed_versions(data, name, shown))
    except OSError as error:
        disk.errors.append(f"{data / REPORTING / name}: {error.strerror or error}; no version is removed")
    yield from old
    going = {piece.path for removal in old for piece in removal.pieces}
    for folder in disk.folders(data / MODELS / name / "checkpoints", FINGERPRINT):
        yield from _checkpoints(disk, folder, retention.checkpoints == "unfinished", going)


def _old_versions(disk: Disk, data: Path, name: str, newest: int, needed: Set[str]) -> Iterator[Removal]:
    """Versions beyond the `newest` of every output; only folders that hold nothing but their output."""
    for output in [output for layer in (MODELS, REPORTING) for output in disk.folders(data / layer / name)]:
        content = {folder: disk.names(folder) for folder in disk.folders(output, VERSION)}
        for folder in (folder for folder, names in content.items() if not names and disk.is_old(folder)):
            yield from disk.removal(EMPTY, folder)
        for folder in [folder for folder, names in content.items() if output.name in names][:-newest]:
            pieces = disk.pieces(folder, output.name)
            if pieces and content[folder] == [output.name] and folder.name not in needed:
                yield from disk.removal(OLDER, *pieces, folder)


def _needed_versions(data: Path, name: str, shown: Mapping[str, str]) -> set[str]:
    """Versions of score cards that are shown, newer ones that are damaged, and versions of the weights they score.

    shown: the version of every run's card in the comparison. Raises OSError if the cards may not be read.
    """
    if name in TOOLS:  # their scores belong to no run
        return set()
    needed: set[str] = set()
    scores = data / REPORTING / name / FILE
    for version in [folder.name for folder in listed(scores) if (folder / FILE).exists()]:
        try:
            card = ScoreCardDataset(filepath=str(scores), version=Version(version, None)).load()
        except DatasetError:
            needed.add(version)
            continue
        if version >= shown.get(card.run, ""):
            needed |= {version, *_weights_of(card, version, data / MODELS / name)}
    return needed


def _weights_of(card: ScoreCard, version: str, models: Path) -> Iterator[str]:
    """Other versions that hold the scored generator and game, if the card's own version does not."""
    wanted: dict[str, dict[str, str | None]] = {
        GENERATOR: {"digest": card.generator_digest},
        TRAINED: {"recipe": card.recipe_fingerprint, "step": str(card.steps)},
    }
    for name, facts in wanted.items():
        folders = [one for one in listed(models / name) if facts.items() <= dict(_metadata(one / name)).items()]
        if folders and version not in {folder.name for folder in folders}:
            yield folders[-1].name


def _metadata(weights: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors; empty if it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        check_regular(weights)
        with safe_open(weights, framework="np") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def _checkpoints(disk: Disk, folder: Path, finished: bool, going: Set[Path]) -> Iterator[Removal]:
    """Data that no manifest names; if requested, all of a finished recipe, manifests first and the newest step last.

    A recipe is finished if trained weights of its last step exist and are whole. going: weights that are to be removed
    and therefore prove nothing.
    """
    names, files = disk.names(folder), disk.files(folder, CHECKPOINT)
    steps = steps_among(names)
    links = [name for name in names if CHECKPOINT.fullmatch(name) and folder / name not in files]
    trained = folder.parents[1] / TRAINED
    if finished and steps and not links and _trained_steps(disk, trained, folder.name, going) == steps[-1]:
        ordered = sorted(files, key=lambda path: (int(re.split(r"[-.]", path.name)[1]), path.suffix != ".json"))
        yield from disk.removal(FINISHED, *ordered, lock=folder / "lock")
        return
    named = {path for step in steps for path in referenced_data(folder, step)}
    for path in files:
        if path.suffix == ".pt" and path not in named:
            yield from disk.removal(STRAY, path, lock=folder / "lock")


def _trained_steps(disk: Disk, trained: Path, fingerprint: str, going: Set[Path]) -> int | None:
    """The step of the newest trained weights of this recipe; None if there are none, or damaged ones."""
    for folder in reversed(disk.folders(trained)):
        path = folder / TRAINED
        if path in going or _metadata(path).get("recipe") != fingerprint:
            continue
        try:
            weights = WeightsDataset(filepath=str(trained), version=Version(folder.name, None)).load()
            return int(weights.metadata["step"])
        except (DatasetError, KeyError, ValueError):
            return None
    return None


def _shared(disk: Disk, data: Path, busy: Mapping[str, str], notes: list[str]) -> Iterator[Removal]:
    """Images and features that no pointer names. A pointer that cannot be read protects all, with a note in `notes`."""
    if scan.RUNNING in busy.values():  # that run may be about to write its pointers
        notes.append("images and features that experiments share are left alone while an experiment is run")
        return
    store, cache = data / PRIMARY / STORE, data / MODELS / CACHE

    def images(pointer: Path) -> set[Path]:
        return ImageSplitsDataset(filepath=str(pointer), store=str(store)).files()

    def features(pointer: Path) -> set[Path]:
        return ReferencesDataset(filepath=str(pointer), cache=str(cache)).files()

    found = disk.files(store, re.compile(r"[0-9a-f]{16}\.safetensors"))
    yield from _unused(disk, IMAGES, found, _pointed_to(data / PRIMARY, "images.json", images, notes))
    found = disk.files(cache, re.compile(r"features-.+-[0-9a-f]{16}\.safetensors"))
    yield from _unused(disk, FEATURES, found, _pointed_to(data / MODELS, "reference.json", features, notes))
    found = disk.files(cache, re.compile(re.escape(UNFINISHED) + r".+-[0-9a-f]{16}\.safetensors"))
    unfinished = {path for path in found if not path.with_name(path.name.removeprefix(UNFINISHED)).is_file()}
    yield from _unused(disk, DRAFTS, found, unfinished)


def _unused(disk: Disk, reason: str, found: list[Path], needed: Set[Path] | None) -> Iterator[Removal]:
    """Old files that are not needed. needed: None = all of them."""
    for path in found if needed is not None else ():
        if path not in (needed or ()) and disk.is_old(path):
            yield from disk.removal(reason, path)


def _pointed_to(folder: Path, name: str, files: Callable[[Path], set[Path]], notes: list[str]) -> set[Path] | None:
    """The files that pointers of this name lead to; None where one of them cannot be read."""
    try:
        # lexists: also a link to a disk that is absent now
        pointers = [one / name for one in listed(folder) if os.path.lexists(one / name)]
        return {path for pointer in pointers for path in files(pointer)}
    except (OSError, ValueError, PaperganError) as error:
        notes.append(f"{folder.name}: what experiments share there is left alone, since {sanitise(error)}")
        return None


def _of_mlflow(disk: Disk, mlruns: Path, pictures: int) -> Iterator[Removal]:
    """Sample grids of every run that is over, except `pictures` evenly spaced ones, and the run's lock."""
    running = mlruns / "running"
    for run in [run for group in disk.folders(mlruns / "artifacts") for run in disk.folders(group, RUN)]:
        found = disk.files(run / "artifacts" / "samples", PICTURE)
        kept = set(range(len(found))) if scan.held(running / f"{run.name}.lock") else _evenly(len(found), pictures)
        for path in (path for number, path in enumerate(found) if number not in kept):
            yield from disk.removal(PICTURES, path)
    for lock in disk.files(running, LOCK):
        if disk.is_old(lock) and not scan.held(lock):  # a run creates its lock a moment before it holds it
            yield from disk.removal(LOCKS, lock)


def _evenly(count: int, most: int) -> set[int]:
    """At most `most` (at least 2) of 0..count-1, evenly spaced, both ends included."""
    if count <= most:
        return set(range(count))
    return {round(place * (count - 1) / (most - 1)) for place in range(most)}
