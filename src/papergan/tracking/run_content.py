"""What MLflow is told of a recipe and of its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from papergan.config.experiment import Recipe
from papergan.evaluation.scorecard import ScoreCard


def parameters_of(recipe: Recipe) -> dict[str, object]:
    """The recipe flattened, with every setting of the system in place of its overrides, so that runs line up."""
    tree = recipe.model_dump(exclude={"overrides"}) | {"settings": recipe.settings()}
    return dict(flattened("", tree))


def protocols_of(card: ScoreCard) -> dict[str, object]:
    """The rules of the final scores by extractor: "protocol.domain.extractor_digest"."""
    rules = {protocol.extractor: asdict(protocol) for protocol in card.protocols}
    return dict(flattened("protocol.", rules))


def final_metrics(card: ScoreCard) -> dict[str, float]:
    """The card's numbers at its last step: "final.fid", "best_fid.fid", "best_fid.epoch"."""
    row: dict[str, float] = {"step": card.steps}
    row |= {f"final.{name}": value for name, value in card.final.items()}
    for which, best in card.best.items():
        row |= {f"best_{which}.{metric}": value for metric, value in best.metrics.items()}
        row[f"best_{which}.epoch"] = best.epoch
    return row


def flattened(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """`{"a": {"b": 1}}` as ("a.b", 1), each name behind `prefix`."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flattened(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
