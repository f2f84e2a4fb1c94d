"""The training log: reported losses, one line per epoch, next to those of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from papergan.metrics.stability import reports_by_epoch
from papergan.reporting.published_results import PublishedLog
from papergan.training.history import Row

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED, MEASURED = "published", "here"


def log_table(losses: Sequence[Row], published: PublishedLog | None) -> pd.DataFrame:
    """One line per epoch. losses: every report, with `step` and a fractional `epoch` (from the batches drawn so far).

    published: the table has its columns, each published value next to the reported one nearest to the published point
    of the epoch, whose step is in `step`. Epochs that only one side has are empty on the other. None: the last report
    of every epoch with all its numbers.
    """
    import pandas as pd

    reports = reports_by_epoch(losses)
    if published is None:
        return pd.DataFrame([{"epoch": epoch, **_numbers(rows[-1])} for epoch, rows in sorted(reports.items())])
    lines = []
    for epoch in range(1, max(len(published.rows), *reports, 0) + 1):
        closest = nearest_report(reports.get(epoch, ()), epoch, published)
        line: dict[str, float | None] = {"epoch": epoch, "step": None if closest is None else closest["step"]}
        printed = published.rows[epoch - 1] if epoch <= len(published.rows) else [None] * len(published.columns)
        for (name, ours), value in zip(published.columns.items(), printed, strict=True):
            line[f"{name} {PUBLISHED}"] = value
            line[f"{name} {MEASURED}"] = None if closest is None else closest.get(ours)
        lines.append(line)
    return pd.DataFrame(lines).astype({"epoch": "Int64", "step": "Int64"})


def published_epoch(epoch: int, published: PublishedLog) -> float:
    """The fractional epoch at which the paper printed its row of this epoch, from 1."""
    return epoch - 1 + published.step / published.of


def nearest_report(reports: Sequence[Row], epoch: int, published: PublishedLog) -> Row | None:
    """The report nearest to the published point of the epoch; None if there is none."""
    return min(reports, key=lambda row: abs(row["epoch"] - published_epoch(epoch, published)), default=None)


def _numbers(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in ("epoch", "images")}
