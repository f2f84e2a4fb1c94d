"""Parameters, summary metrics and name of an MLflow run, from its score card, recipe and command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from papergan.evaluation.scorecard import ScoreCard
from papergan.project import COMMAND
from papergan.validation import flattened

if TYPE_CHECKING:
    from papergan.config.experiment import TrainingRecipe

MAX_CHANGES = 3  # in the name of a run
NAMED = (
    r"(overrides\..*|system)",
    r"(dataset|image_size|train_limit|subset_seed|validation)",
    r"training\.(batch_size|drop_last|horizontal_flip|precision|deterministic)",
    r"evaluation\.(reference|weights|truncation|quantisation|seed)",
)
"""Patterns of the settings that the name of a run has, in this order."""
SUMMARY = {
    "fid": "fid", "kid_mean": "kid", "is_mean": "is", "precision": "precision", "recall": "recall",
    "copy_rate": "copy_rate",
}  # fmt: skip
"""Final metrics of the section `summary`, by their names in score cards."""


def protocol_parameters(card: ScoreCard) -> dict[str, object]:
    """MLflow parameters of the final scores' rules by extractor: "protocol.domain.extractor_digest"."""
    rules = {protocol.extractor: asdict(protocol) for protocol in card.protocols}
    return dict(flattened("protocol.", rules))


def summary_metrics(card: ScoreCard) -> dict[str, float]:
    """The final and best values that line up in MLflow's table, at the last step: "summary/domain_fid".

    All of the first extractor, of further ones the FID. `summary/training_minutes` without evaluation. Every other
    number stands in the score card, which is a file of the run.
    """
    row: dict[str, float] = {"step": card.steps}
    prefixes = [protocol.metric_prefix for protocol in card.protocols]
    for place, prefix in enumerate(prefixes):
        for metric, short in SUMMARY.items() if place == 0 else [("fid", "fid")]:
            if f"{prefix}{metric}" in card.final:
                row[f"summary/{prefix}{short}"] = card.final[f"{prefix}{metric}"]
    for which, metric in (("fid", "fid"), ("is", "is_mean")):
        best = card.best.get(which)
        if prefixes and best is not None and f"{prefixes[0]}{metric}" in best.metrics:
            row[f"summary/best_{prefixes[0]}{which}"] = best.metrics[f"{prefixes[0]}{metric}"]
    return row | {"summary/images": card.images_seen, "summary/training_minutes": card.training_seconds / 60}


def run_name(experiment: str, seed: int, training: TrainingRecipe, given: Mapping[str, Any]) -> str:
    """The name of a run: "hybrid_cifar10 seed 1, r1=0.0, 20 steps".

    given: what --params gave for this experiment, of which that is named which changes weights or what is measured:
    no cadences, numbers of samples and devices, and seed and budget are there anyway.
    """
    changes = [(name, value) for name, value in flattened("", given) if _importance(name) is not None]
    changes.sort(key=lambda change: _importance(change[0]) or 0)
    shown = [f"{name.rpartition('.')[2]}={text_of(value):.24}" for name, value in changes[:MAX_CHANGES]]
    shown += [f"{len(changes) - MAX_CHANGES} more"] if len(changes) > MAX_CHANGES else []
    return ", ".join([f"{experiment} seed {seed}", *shown, _budget(training)])


def command(pipelines: list[str], environment: str | None, given: Mapping[str, Any] | None = None) -> str:
    """The command that makes such a run. given: --params; None leaves them out."""
    parts = [f"{COMMAND} run", f"--pipelines {','.join(pipelines)}" if pipelines else ""]
    parts.append(f"--env {environment}" if environment is not None else "")
    pairs = ",".join(f"{name}={text_of(value)}" for name, value in flattened("", given or {}))
    return " ".join(filter(None, [*parts, f'--params "{pairs}"' if pairs else ""]))


def text_of(value: object) -> str:
    """A value as --params takes it: null, true, 0.1."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _budget(training: TrainingRecipe) -> str:
    """The budget for people: "1 000 epochs", "20 steps", "5 M images"."""
    unit = next(unit for unit in ("epochs", "steps", "images") if getattr(training, unit) is not None)
    amount = getattr(training, unit)
    shown = f"{amount / 1e6:g} M" if amount >= 1e6 else f"{amount:,g}".replace(",", " ")
    return f"{shown} {unit.removesuffix('s') if amount == 1 else unit}"


def _importance(name: str) -> int | None:
    """0 for settings of the system, then data, training and evaluation; None for what no name of a run has."""
    return next((place for place, pattern in enumerate(NAMED) if re.fullmatch(pattern, name)), None)
