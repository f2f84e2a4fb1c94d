"""Trials without images in a node: run by name, grouped with why some failed, and what made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from papergan.config.trials import GroupedTrial, TrialRecord
from papergan.config.workers import WorkerSettings
from papergan.datasets.trial_results import FileTrialStore
from papergan.inference.model_folder import StoredModel
from papergan.studies.resumable import ResumableTrainer
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.worker import failures
from papergan.studies.workers import train_all
from papergan.tracking import Tracker

T = TypeVar("T", bound=GroupedTrial)
R = TypeVar("R", bound=TrialRecord)


def train_named(
    workers: WorkerSettings, trials: Sequence[T], trainer: ResumableTrainer[T, R], store: FileTrialStore[R],
    tracker: Tracker,
) -> dict[str, str]:  # fmt: skip
    """Run every trial that is not finished. Returns where the result of each is kept, or why it failed, by its name.

    Raises Interrupted after a stop signal; the same command goes on from the last checkpoint of the trial at work.
    """
    failed = train_all(workers, trials, trainer, store, tracker)
    return {name_of(trial): failed.get(trial.key, trial.key) for trial in trials}


def name_of(trial: GroupedTrial) -> str:
    """The name of a trial, with its seed."""
    return f"{trial.name}, seed {trial.seed}"


def grouped_named(trials: Sequence[T], store: FileTrialStore[R], finished: Mapping[str, str]) -> list[NamedGroup[T, R]]:
    """The groups of trials, with why some failed. finished: of `train_named`."""
    failed = failures(finished)
    reasons = {trial.key: failed[name_of(trial)] for trial in trials if name_of(trial) in failed}
    return grouped(NamedGroup[T, R], trials, store, reasons)


def packaged(
    groups: Sequence[NamedGroup[T, R]], model_of: Callable[[NamedGroup[T, R]], StoredModel | None]
) -> dict[str, StoredModel]:
    """The model of each group by its name, where it has one."""
    found = {group.name: model_of(group) for group in groups}
    return {name: model for name, model in found.items() if model is not None}


def notes_of(groups: Sequence[NamedGroup[Any, Any]]) -> tuple[list[str], list[str]]:
    """Notes of a page: how many trials are missing, for its beginning, and what made the newest, for its end."""
    missing = sum(len(group.missing) for group in groups)
    made_by = next((dict(group.results[-1].provenance) for group in reversed(groups) if group.results), {})
    return (
        [f"{missing} trials not finished yet"] if missing else [],
        [", ".join(f"{name} {value}" for name, value in made_by.items())] if made_by else [],
    )
