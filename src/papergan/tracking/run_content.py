"""Parameters and metrics of an MLflow run from a score card."""

from __future__ import annotations

from dataclasses import asdict

from papergan.evaluation.scorecard import ScoreCard
from papergan.validation import flattened


def protocol_parameters(card: ScoreCard) -> dict[str, object]:
    """MLflow parameters of the final scores' rules by extractor: "protocol.domain.extractor_digest"."""
    rules = {protocol.extractor: asdict(protocol) for protocol in card.protocols}
    return dict(flattened("protocol.", rules))


def final_metrics(card: ScoreCard) -> dict[str, float]:
    """MLflow metrics of a score card at its last step: "final.fid", "best_fid.fid", "best_fid.epoch"."""
    row: dict[str, float] = {"step": card.steps}
    row |= {f"final.{name}": value for name, value in card.final.items()}
    for which, best in card.best.items():
        row |= {f"best_{which}.{metric}": value for metric, value in best.metrics.items()}
        row[f"best_{which}.epoch"] = best.epoch
    return row
