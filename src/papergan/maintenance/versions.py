"""Versions of outputs: the newest stay, and those that the comparison shows."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from kedro.io import DatasetError, Version

from papergan.atomic_files import check_regular
from papergan.config.registry import TOOLS
from papergan.datasets.scores import FILE, GENERATOR, ScoreCardDataset
from papergan.evaluation.scorecard import ScoreCard
from papergan.maintenance.scan import MODELS, REPORTING, VERSION, Disk, Removal, listed

log = logging.getLogger(__name__)

TRAINED = "trained.safetensors"

OLDER = "older versions of outputs"
EMPTY = "empty version folders"


def old_versions(disk: Disk, data: Path, experiment: str, newest: int, shown: Mapping[str, ScoreCard]) -> list[Removal]:
    """Versions beyond the `newest` of every output of an experiment, unless a card that counts is of that version.

    shown: the cards of the comparison, by run. Only folders that hold nothing but their output are removed.
    """
    try:
        kept = kept_versions(data, experiment, shown)
    except OSError as error:
        disk.faults.append(f"{data / REPORTING / experiment}: {error.strerror or error}; no version is removed")
        return []
    outputs = [output for layer in (MODELS, REPORTING) for output in disk.folders(data / layer / experiment)]
    return [found for output in outputs for found in _old(disk, output, experiment, newest, kept)]


def kept_versions(data: Path, experiment: str, shown: Mapping[str, ScoreCard]) -> set[str]:
    """Versions of cards that count, and of the weights that these are about, made in an earlier session or not.

    What counts: the newest of every run, what the comparison shows of it (an older one, where the newest is damaged),
    and what cannot be read. Raises OSError where the cards may not be looked at.
    """
    if experiment in TOOLS:  # their scores are of no run
        return set()
    kept: set[str] = set()
    newest: dict[str, tuple[str, ScoreCard]] = {}
    scores = data / REPORTING / experiment / FILE
    for version in [folder.name for folder in listed(scores) if (folder / FILE).exists()]:
        try:
            card = ScoreCardDataset(filepath=str(scores), version=Version(version, None)).load()
        except DatasetError:
            kept.add(version)
            continue
        newest[card.run] = (version, card)
        if shown.get(card.run) == card:
            kept |= {version, *_weights_of(card, version, data / MODELS / experiment)}
    for version, card in newest.values():
        kept |= {version, *_weights_of(card, version, data / MODELS / experiment)}
    return kept


def about(weights: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors; empty where it is none."""
    from safetensors import SafetensorError, safe_open

    try:
        check_regular(weights)
        with safe_open(weights, framework="np") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        log.debug("%s: %s", weights, error)
        return {}


def _weights_of(card: ScoreCard, version: str, models: Path) -> Iterator[str]:
    """In which other versions the generator and the game lie that were scored, where not in the card's own."""
    wanted: dict[str, dict[str, str | None]] = {
        GENERATOR: {"digest": card.generator_digest},
        TRAINED: {"recipe": card.recipe_fingerprint, "step": str(card.steps)},
    }
    for name, facts in wanted.items():
        matching = [
            folder.name for folder in listed(models / name) if facts.items() <= dict(about(folder / name)).items()
        ]
        if matching and version not in matching:
            yield matching[-1]


def _old(disk: Disk, output: Path, experiment: str, newest: int, kept: Set[str]) -> Iterator[Removal]:
    whole: list[Path] = []
    for folder in disk.folders(output, VERSION):
        names = disk.names(folder)
        if output.name in names:
            whole.append(folder)
        elif not names and disk.is_old(folder):
            yield from disk.removal(EMPTY, folder, experiment=experiment)
    for folder in whole[:-newest]:
        alone = disk.files(folder, re.compile(re.escape(output.name))) and disk.names(folder) == [output.name]
        if alone and folder.name not in kept:
            yield from disk.removal(OLDER, folder / output.name, folder, experiment=experiment)
