"""What happened while training as one CSV: a line per step that was reported or evaluated."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from kedro.io import DatasetError

from papergan.io.whole_file import WholeFileDataset
from papergan.training.history import History, Row

POSITION = ("step", "epoch", "images")
LOSSES, METRICS = "losses", "metrics"


class HistoryDataset(WholeFileDataset[History]):
    """A History as CSV. Columns: kind ("losses" or "metrics"), step, epoch, images, then every number by name."""

    def _encode(self, data: History) -> bytes:
        rows = [(LOSSES, row) for row in data.losses] + [(METRICS, row) for row in data.metrics]
        names = {name for _, row in rows for name in row} - set(POSITION)
        buffer = io.StringIO(newline="")
        table = csv.DictWriter(buffer, ["kind", *POSITION, *sorted(names)], lineterminator="\n")
        table.writeheader()
        for kind, row in sorted(rows, key=lambda entry: entry[1]["step"]):
            table.writerow({"kind": kind, **row})
        return buffer.getvalue().encode()

    def _decode(self, content: bytes, path: Path) -> History:
        history = History()
        kinds = {LOSSES: history.losses, METRICS: history.metrics}
        for line in csv.DictReader(io.StringIO(content.decode(), newline="")):
            try:
                kinds[line.pop("kind")].append(_numbers(line))
            except (KeyError, ValueError) as error:
                raise DatasetError(f"{path} is no history of training: {error}") from error
        return history


def _numbers(line: dict[str, str]) -> Row:
    row = {name: float(text) for name, text in line.items() if text != ""}
    return row | {name: int(row[name]) for name in ("step", "images") if name in row}
