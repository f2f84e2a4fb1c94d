"""Images from undeclared parquet files: the layout of the Hugging Face Hub, or a plain column of image files.

Unlike `parquet`, nothing is declared, so rows keep their order and no digest is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from papergan.data.parquet import LABEL_COLUMN, ParquetTable, has_bytes, is_binary
from papergan.data.pictures import Picture, Pictures
from papergan.errors import DataError
from papergan.messages import sanitise

_NAMES = ("image", "img")
_MOST_CLASSES = 2**16


def parquet_pictures(paths: Sequence[Path], *, empty: bool = False) -> Pictures:
    """The rows of one or more files, in the given order.

    The images are in the column `image` or `img`, or in the only one that holds binaries. Integers in a column `label`
    of every file are labels, and their classes are called "0", "1", ... up to the largest; any others are ignored.
    empty: whether a row may be without bytes.
    Raises DataError naming file, column or row where that is not so.
    """
    tables = [ParquetTable.of(path) for path in paths]
    columns = [_image_column(table) for table in tables]

    def each() -> Iterator[Picture]:
        for table, column in zip(tables, columns, strict=True):
            yield from _rows(table, column, empty=empty)

    if not all(map(_has_labels, tables)):
        return Pictures(each, np.zeros(sum(table.rows for table in tables), np.int64))
    labels = np.concatenate([_labels(table) for table in tables])
    return Pictures(each, labels, tuple(map(str, range(labels.max(initial=-1) + 1))))


def _image_column(table: ParquetTable) -> str:
    candidates = [field.name for field in table.schema if is_binary(field.type) or has_bytes(field.type)]
    named = [name for name in candidates if name in _NAMES]
    if len(named) == 1 or len(candidates) == 1:
        return str((named or candidates)[0])
    if candidates:
        raise DataError(
            f"{table.path} has several columns that may hold images: {sanitise(', '.join(candidates))}; "
            f"call the right one 'image' or drop the others"
        )
    raise DataError(
        f"{table.path} has no column of images, binary or a struct with a binary field 'bytes'; "
        f"it has: {sanitise(', '.join(table.schema.names)) or 'none'}"
    )


def _has_labels(table: ParquetTable) -> bool:
    from pyarrow import types

    names = table.schema.names
    return names.count(LABEL_COLUMN) == 1 and bool(types.is_integer(table.schema.field(LABEL_COLUMN).type))


def _labels(table: ParquetTable) -> np.ndarray:
    """int64 [rows]. Raises DataError naming the first row whose label is none."""
    labels = [label for batch in table.batches(LABEL_COLUMN) for label in batch.column(0).to_pylist()]
    for row, label in enumerate(labels):
        if label is None or not 0 <= label < _MOST_CLASSES:
            raise DataError(
                f"{table.path}, row {row}: label must be 0..{_MOST_CLASSES - 1}, got {label}; "
                f"drop the column {LABEL_COLUMN!r} if it holds no labels"
            )
    return np.array(labels, np.int64)


def _rows(table: ParquetTable, column: str, *, empty: bool) -> Iterator[Picture]:
    is_struct = has_bytes(table.schema.field(column).type)
    row = 0
    for batch in table.batches(f"{column}.bytes" if is_struct else column):
        for content in (batch.column(0).field("bytes") if is_struct else batch.column(0)).to_pylist():
            if not content and not empty:
                raise DataError(
                    f"{table.path}, row {row} has no image bytes; drop the row, or store the files themselves"
                )
            yield Picture(f"{table.path}, row {row}", content or b"")
            row += 1
