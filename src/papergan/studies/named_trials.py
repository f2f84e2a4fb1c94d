"""Trials without images in a pipeline node: run by name, grouped with reasons for failures and with provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from papergan.config.papers import citation
from papergan.config.trials import GroupedTrial, SystemTrial, TensorRecord, TrialRecord
from papergan.config.workers import WorkerSettings
from papergan.datasets.trial_results import FileTrialStore
from papergan.inference.model_folder import StoredModel
from papergan.sound.sounds import SoundSet
from papergan.studies.resumable import ResumableTrainer
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.worker import failures
from papergan.studies.workers import train_all
from papergan.tracking import Tracker
from papergan.training.history import Row
from papergan.vectors.vectors import VectorSet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

T = TypeVar("T", bound=GroupedTrial)
R = TypeVar("R", bound=TrialRecord)
S = TypeVar("S", bound=SystemTrial[Any])
N = TypeVar("N", bound=TensorRecord)


def train_named(
    workers: WorkerSettings, trials: Sequence[T], trainer: ResumableTrainer[T, R], store: FileTrialStore[R],
    tracker: Tracker,
) -> dict[str, str]:  # fmt: skip
    """Run every trial that is not finished. Returns where its result is stored, or why it failed, by trial name.

    Raises Interrupted after a stop signal; the same command resumes from the last checkpoint of the current trial.
    """
    failed = train_all(workers, trials, trainer, store, tracker)
    return {name_of(trial): failed.get(trial.key, trial.key) for trial in trials}


def name_of(trial: GroupedTrial) -> str:
    """The name of a trial, with its seed."""
    return f"{trial.name}, seed {trial.seed}"


def grouped_named(trials: Sequence[T], store: FileTrialStore[R], finished: Mapping[str, str]) -> list[NamedGroup[T, R]]:
    """The groups of trials, with the reasons of failures. finished: the result of `train_named`."""
    failed = failures(finished)
    reasons = {trial.key: failed[name_of(trial)] for trial in trials if name_of(trial) in failed}
    return grouped(NamedGroup[T, R], trials, store, reasons)


def packaged(
    groups: Sequence[NamedGroup[T, R]], model_of: Callable[[NamedGroup[T, R]], StoredModel | None]
) -> dict[str, StoredModel]:
    """The model of each group that has one, by name."""
    found = {group.name: model_of(group) for group in groups}
    return {name: model for name, model in found.items() if model is not None}


def about_model(group: NamedGroup[S, N], seed: int, data: SoundSet | VectorSet, paper: str) -> dict[str, Any]:
    """The description stored with a group's model. seed: of the model. data: trained on. paper: a citation key."""
    result = dict(group.done)[seed]
    return {
        "experiment": f"{group.trial.experiment}, {group.name}", "dataset": data.name, "data_digest": data.digest,
        "metrics": dict(result.scores), "seed": seed, "provenance": dict(result.provenance),
        "paper": {"citation": citation(paper)},
    }  # fmt: skip


def trial_table(groups: Sequence[NamedGroup[S, N]], baselines: Mapping[str, Row]) -> pd.DataFrame:
    """A row per trial of a system and per baseline, with all scores."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "system": group.name, "kind": group.trial.tags["system"], "seed": seed, "diverged": result.diverged,
            "steps": group.trial.steps, **result.scores, "seconds_per_step": result.seconds_per_step,
            **result.provenance,
        }
        for group in groups
        for seed, result in group.done
    ]  # fmt: skip
    return pd.DataFrame(rows + [{"system": name, **line} for name, line in baselines.items()])


def plot_seeds(axes: Axes, groups: Sequence[NamedGroup[T, R]], metric: str) -> None:
    """Plot a measurement over steps: a colour per group, a line per seed; no line if it was never taken."""
    for place, group in enumerate(groups):
        for number, result in enumerate(group.results):
            steps = [row["step"] for row in result.over_time]
            values = [row[metric] for row in result.over_time]
            axes.plot(steps, values, color=f"C{place}", label=group.name if number == 0 else None)


def notes_of(groups: Sequence[NamedGroup[Any, Any]]) -> tuple[list[str], list[str]]:
    """Notes of a page: the number of missing trials, for its beginning; provenance of the newest, for its end."""
    missing = sum(len(group.missing) for group in groups)
    made_by = next((dict(group.results[-1].provenance) for group in reversed(groups) if group.results), {})
    return (
        [f"{missing} trials not finished yet"] if missing else [],
        [", ".join(f"{name} {value}" for name, value in made_by.items())] if made_by else [],
    )
