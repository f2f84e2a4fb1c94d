"""Images from anybody's parquet files: the layout of the Hugging Face Hub, or a plain column of image files.

Unlike `parquet`, nothing is declared, so rows keep their order and nothing vouches for the content.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from papergan.data.memory import check_memory
from papergan.data.parquet import LABEL_COLUMN
from papergan.data.pictures import Picture, Pictures
from papergan.errors import DataError
from papergan.messages import sanitise

if TYPE_CHECKING:
    from pyarrow import Array, DataType, Schema

_NAMES = ("image", "img")
_BATCH_ROWS = 256
_MOST_CLASSES = 2**16


def parquet_pictures(paths: Sequence[Path]) -> Pictures:
    """The rows of one or more files, in the given order.

    The images are in the column `image` or `img`, or in the only one that holds binaries. Integers in a column `label`
    of every file are labels, and their classes are called "0", "1", ... up to the largest; any others are ignored.
    Raises DataError naming file, column or row where that is not so.
    """
    columns = [_image_column(path) for path in paths]

    def each() -> Iterator[Picture]:
        for path, column in zip(paths, columns, strict=True):
            yield from _rows(path, column)

    if not all(_has_labels(path) for path in paths):
        return Pictures(each, np.zeros(sum(map(_num_rows, paths)), np.int64))
    labels = np.concatenate([_labels(path) for path in paths])
    return Pictures(each, labels, tuple(map(str, range(labels.max(initial=-1) + 1))))


def _image_column(path: Path) -> str:
    schema = _schema(path)
    candidates = [field.name for field in schema if _is_binary(field.type) or _has_bytes(field.type)]
    named = [name for name in candidates if name in _NAMES]
    if len(named) == 1 or len(candidates) == 1:
        return str((named or candidates)[0])
    if candidates:
        raise DataError(
            f"{path} has several columns that may hold images: {sanitise(', '.join(candidates))}; "
            f"call the right one 'image' or drop the others"
        )
    raise DataError(
        f"{path} has no column of images, binary or a struct with a binary field 'bytes'; "
        f"it has: {sanitise(', '.join(schema.names)) or 'none'}"
    )


def _is_binary(kind: DataType) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _has_bytes(kind: DataType) -> bool:
    from pyarrow import types

    has_field = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return has_field and _is_binary(kind.field("bytes").type)


def _has_labels(path: Path) -> bool:
    from pyarrow import types

    schema = _schema(path)
    return schema.names.count(LABEL_COLUMN) == 1 and bool(types.is_integer(schema.field(LABEL_COLUMN).type))


def _labels(path: Path) -> np.ndarray:
    """int64 [rows]. Raises DataError naming the first row whose label is none."""
    labels = [label for batch in _batches(path, LABEL_COLUMN) for label in batch.to_pylist()]
    _check_count(path, len(labels))
    for row, label in enumerate(labels):
        if label is None or not 0 <= label < _MOST_CLASSES:
            raise DataError(
                f"{path}, row {row}: label must be 0..{_MOST_CLASSES - 1}, got {label}; "
                f"drop the column {LABEL_COLUMN!r} if it holds no labels"
            )
    return np.array(labels, np.int64)


def _rows(path: Path, column: str) -> Iterator[Picture]:
    is_struct = _has_bytes(_schema(path).field(column).type)
    row = 0
    for batch in _batches(path, f"{column}.bytes" if is_struct else column):
        for content in (batch.field("bytes") if is_struct else batch).to_pylist():
            if not content:
                raise DataError(f"{path}, row {row} has no image bytes; drop the row, or store the files themselves")
            yield Picture(f"{path}, row {row}", content)
            row += 1
    _check_count(path, row)


def _schema(path: Path) -> Schema:
    from pyarrow.parquet import read_schema

    try:
        return read_schema(path)
    except Exception as problem:  # Arrow's reader raises many types on garbage; each means the same here
        raise DataError(f"{path} is not a readable parquet file ({type(problem).__name__}); get it again") from problem


def _check_count(path: Path, rows: int) -> None:
    if rows != _num_rows(path):
        raise DataError(f"{path} is a damaged parquet file ({rows} rows instead of {_num_rows(path)}); get it again")


def _num_rows(path: Path) -> int:
    """As the footer claims; a claim is only a number, so it is held against the memory that it would take."""
    from pyarrow.parquet import read_metadata

    rows = int(read_metadata(path).num_rows)
    if rows < 0:
        raise DataError(f"{path} is a damaged parquet file (it claims {rows} rows); get it again")
    check_memory(f"{path}, which claims {rows} rows,", rows * np.dtype(np.int64).itemsize)
    return rows


def _batches(path: Path, column: str) -> Iterator[Array]:
    """The only column asked for, a batch of rows at a time."""
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=[column]):
                yield batch.column(0)
    except Exception as problem:  # as above
        raise DataError(f"{path} is a damaged parquet file ({type(problem).__name__}); get it again") from problem
