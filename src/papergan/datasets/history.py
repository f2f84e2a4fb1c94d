"""The training history as CSV: a line per report and a line per evaluation."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from papergan.atomic_files import DOCUMENT_BYTES
from papergan.datasets.atomic_file import AtomicFileDataset
from papergan.errors import EvaluationError
from papergan.messages import sanitise
from papergan.training.history import History, Row

POSITION = ("step", "epoch", "images")
LOSSES, METRICS = "losses", "metrics"
BEYOND = "beyond the last column"


class HistoryDataset(AtomicFileDataset[History]):
    """A History as CSV. Columns: kind ("losses" or "metrics"), step, epoch, images, then every number by name.

    It has no digest, since its numbers are plotted and go into no table; a file that is cut off within a line is
    detected. Raises EvaluationError for anything else.
    """

    most = DOCUMENT_BYTES

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
        try:
            text = content.decode()
            if not text.endswith("\n"):
                raise ValueError("its last line is incomplete")
            lines = csv.DictReader(io.StringIO(text, newline=""), restkey=BEYOND, strict=True)
            names = list(lines.fieldnames or ())
            if len(set(names)) < len(names) or not {"kind", *POSITION} <= set(names):
                raise ValueError(f"its columns are {names}")
            for line in lines:
                kinds[line.pop("kind")].append(_numbers(line))
        except (KeyError, ValueError, TypeError, OverflowError, csv.Error) as error:
            raise EvaluationError(
                f"{path} is not a history of training ({sanitise(error)}); run the experiment again"
            ) from error
        return history


def _numbers(line: dict[str, str]) -> Row:
    """Parse a line. Raises ValueError, TypeError or OverflowError if it is too long, too short or not numeric."""
    row = {name: float(text) for name, text in line.items() if text != ""}
    return row | {name: int(row[name]) for name in ("step", "images")} | {"epoch": row["epoch"]}
