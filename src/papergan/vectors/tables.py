"""A user's table of numbers, CSV or Parquet, as training and test rows."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from papergan.data.memory import check_memory, read_into_memory
from papergan.errors import DataError, did_you_mean
from papergan.messages import quoted, sanitise
from papergan.randomness import seed_for
from papergan.vectors.drawn_vectors import drawn_splits
from papergan.vectors.settings import LEAST_ROWS, VectorData
from papergan.vectors.vectors import Normalisation, VectorSet, VectorSplits

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

SUFFIXES: Final = (".csv", ".parquet")


def load_vectors(data: VectorData) -> VectorSplits:
    """The training and test rows of a recipe. Raises DataError if its table cannot be used."""
    return drawn_splits(data) if data.table is None else read_table(Path(data.table).expanduser(), data)


def read_table(path: Path, data: VectorData) -> VectorSplits:
    """The rows of a CSV or Parquet file, as NAME/train and NAME/test.

    Columns that hold no numbers are left out, with a line in the log, unless they are requested.
    Raises DataError if the file cannot be read, has no such column, a number is missing or not finite, or there are too
    few rows.
    """
    frame, name = _read(path), path.stem
    columns = _columns(frame, data, path)
    check_memory(f"{sanitise(path)}, {len(frame)} rows of {len(columns)} numbers,", 24 * len(frame) * len(columns),
                 "take fewer columns or rows")  # fmt: skip
    values = torch.from_numpy(frame[columns].to_numpy(dtype="float64", na_value=float("nan")).copy())
    wrong = (~values.isfinite()).nonzero()
    if len(wrong):
        row, column = wrong[0].tolist()
        raise DataError(
            f"{sanitise(path)}: column {quoted(columns[column])} of row {row + 1} is empty or not finite, one of "
            f"{len(wrong)} such values; fill them in or remove their rows"
        )
    held_out = round(data.held_out * len(values))
    if min(held_out, len(values) - held_out) < LEAST_ROWS:
        raise DataError(
            f"{sanitise(path)} has {len(values)} rows, of which {held_out} would be held out; each split needs "
            f"{LEAST_ROWS}"
        )
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed_for(data.seed, "held out")))
    test, train = order[:held_out], order[held_out:].sort().values  # the first test rows stand for all, so in any order
    names = tuple(columns)
    splits = VectorSplits(
        VectorSet(f"{name}/train", values[train], names), VectorSet(f"{name}/test", values[test], names)
    )
    Normalisation.of(splits.train, "standard")  # rejects a column that is the same in every row
    return splits


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{sanitise(path)}: a table is a file {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{sanitise(path)}: there is no such file")
    content = read_into_memory(path)
    try:
        if suffix == ".parquet":
            return pd.read_parquet(io.BytesIO(content))
        _check_first_row(content)
        return pd.read_csv(io.BytesIO(content), index_col=False)
    except (ValueError, OSError, NotImplementedError, csv.Error) as error:  # the first three of pandas and pyarrow
        raise DataError(f"{sanitise(path)} cannot be read as {suffix[1:]}: {quoted(str(error)):.200}") from error


def _check_first_row(content: bytes) -> None:
    """Raise ValueError if the first row of a CSV file has more fields than the header; pandas only rejects later rows.

    It would read the first column as an index, or leave out the last one.
    """
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""))
    rows = (row for row in reader if "".join(row).strip() or len(row) > 1)  # without blank lines
    header, first = next(rows, []), next(rows, [])
    if len(first) > len(header):
        fields = f"Expected {len(header)} fields in line {reader.line_num}, saw {len(first)}"
        raise ValueError(f"{fields}; name every column in the header")


def _columns(frame: pd.DataFrame, data: VectorData, path: Path) -> list[str]:
    """The columns to use. Raises DataError if one is missing, or holds no numbers."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    frame.columns = [str(name) for name in frame.columns]
    known = list(frame.columns)
    if len(set(known)) < len(known):
        raise DataError(f"{sanitise(path)}: two columns have one name")
    numbers = [name for name in known if is_numeric_dtype(frame[name]) or is_bool_dtype(frame[name])]
    for name in data.columns:
        if name not in known:
            raise DataError(f"{sanitise(path)} has no column {quoted(name)}{did_you_mean(name, known)}")
        if name not in numbers:
            raise DataError(f"{sanitise(path)}: column {quoted(name)} holds no numbers; encode it, or leave it out")
    if not numbers:
        raise DataError(
            f"{sanitise(path)} has no column of numbers, but {quoted(known)}; a CSV file separates columns by commas "
            "and names them in its first line"
        )
    if data.columns:
        return list(data.columns)
    if others := [name for name in known if name not in numbers]:
        logger.info("%s: columns without numbers are left out: %s", sanitise(path), sanitise(", ".join(others)))
    return numbers
