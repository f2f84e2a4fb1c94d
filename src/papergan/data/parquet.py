"""Images from parquet files: declared files, checked to the last byte, and undeclared ones.

The declared layout is that of the Hugging Face Hub: an image column that is a struct {bytes: one PNG file, path}, and a
column `label` of integers.

Rows of declared files are put in *canonical order*: sorted by SHA-256 over (pixels, label). The Hub's own file, a copy
with its rows permuted and a copy with its PNGs recompressed therefore give the same images in the same order, hence the
same digest and, for one seed, the same batches. The digest that a catalog pins is `ImageSet.digest` in that order: it
pins the content, independent of row order and encoding. Rows of undeclared files keep their order, and no digest is
compared.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from papergan.atomic_files import check_regular
from papergan.data.decoding import decode_png
from papergan.data.images import ImageSet, Mode, Picture, Pictures
from papergan.data.memory import check_memory
from papergan.errors import DataError
from papergan.messages import sanitise

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, Schema

LABEL_COLUMN = "label"
_BATCH_ROWS = 256
_NAMES = ("image", "img")
_MOST_CLASSES = 2**16


@dataclass(frozen=True)
class ParquetTable:
    """A parquet file of images.

    schema: of the columns. rows: as claimed by the footer, which `batches` compares with the actual number.
    """

    path: Path
    schema: Schema
    rows: int

    @classmethod
    def of(cls, path: Path) -> ParquetTable:
        """Read only the footer. Raises DataError if there is none, or it claims more rows than fit into memory."""
        from pyarrow.parquet import ParquetFile

        try:
            check_regular(path)
            with ParquetFile(path) as file:
                schema, rows = file.schema_arrow, int(file.metadata.num_rows)
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist") from error
        except Exception as error:  # Arrow's reader raises many types on garbage; each means the same here
            raise DataError(
                f"{path} is not a readable parquet file ({sanitise(error)}); copy or download it again"
            ) from error
        if rows < 0:
            raise DataError(f"{path} is a damaged parquet file (it claims {rows} rows); copy or download it again")
        check_memory(f"{path}, which claims {rows} rows,", rows * np.dtype(np.int64).itemsize)
        return cls(path, schema, rows)

    def batches(self, *columns: str) -> Iterator[RecordBatch]:
        """Yield these columns, some rows at a time. Raises DataError if there are fewer or more rows than claimed."""
        from pyarrow.parquet import ParquetFile

        left = self.rows
        try:
            with ParquetFile(self.path) as file:
                for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                    left -= len(batch)
                    if left < 0:
                        break
                    yield batch
        except Exception as error:  # as above
            raise DataError(
                f"{self.path} is a damaged parquet file ({sanitise(error)}); copy or download it again"
            ) from error
        if left:
            raise DataError(
                f"{self.path} is a damaged parquet file (it does not hold the {self.rows} rows it claims); "
                "copy or download it again"
            )


def is_binary(kind: DataType) -> bool:
    """Whether a column is binary: one of files."""
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def has_bytes(kind: DataType) -> bool:
    """Whether a column has the Hugging Face Hub's layout, a struct with a binary field `bytes`."""
    from pyarrow import types

    has_field = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return has_field and is_binary(kind.field("bytes").type)


def read_parquet(
    path: Path,
    *,
    name: str,
    image_column: str,
    mode: Mode,
    size: int,
    classes: Sequence[str],
    rows: int,
    digest: str,
) -> ImageSet:
    """Read, check and order the images of one file.

    name: of the ImageSet. mode: "RGB" or "L" (grey), never converted. size: height = width in pixels.
    Raises DataError naming file, row and reason if anything differs from the declaration.
    """
    table = ParquetTable.of(path)
    _check_columns(table, image_column)
    if table.rows != rows:
        raise DataError(f"{path} must have {rows} rows, got {table.rows}; copy or download the file again")
    shape = (rows, size, size, 3 if mode == "RGB" else 1)
    check_memory(f"{name} as declared", 2 * math.prod(shape), "declare what the file holds")  # twice: sorting copies
    images = np.empty(shape, np.uint8)
    labels = np.empty(rows, np.int64)
    for row, (png, label) in enumerate(_rows(table, image_column)):
        if not png:
            raise DataError(f"{path}, row {row} has no image bytes; copy or download the file again")
        images[row] = decode_png(Picture(f"{path}, row {row}", png), mode, size).reshape(images.shape[1:])
        if not isinstance(label, int) or not 0 <= label < len(classes):
            raise DataError(f"{path}, row {row}: label must be 0..{len(classes) - 1}, got {label}")
        labels[row] = label
    image_set = _in_canonical_order(name, images, labels, tuple(classes))
    if image_set.digest != digest:
        raise DataError(
            f"{path} is not the published {name}: expected content digest {digest}, got {image_set.digest}; "
            f"delete the file and copy or download it again"
        )
    return image_set


def _check_columns(table: ParquetTable, image_column: str) -> None:
    from pyarrow import types

    path, names = table.path, table.schema.names
    for column in (image_column, LABEL_COLUMN):
        if names.count(column) != 1:
            raise DataError(f"{path} needs one column {column!r}; it has: {sanitise(', '.join(names)) or 'none'}")
    image, label = table.schema.field(image_column).type, table.schema.field(LABEL_COLUMN).type
    if not has_bytes(image):
        raise DataError(
            f"{path}: column {image_column!r} must be a struct with a binary field 'bytes', got {sanitise(image)}"
        )
    if not types.is_integer(label):
        raise DataError(f"{path}: column {LABEL_COLUMN!r} must hold integers, got {sanitise(label)}")


def _rows(table: ParquetTable, image_column: str) -> Iterator[tuple[bytes, object]]:
    """Yield (PNG bytes, label) of each row, with only some rows in memory at a time."""
    for batch in table.batches(f"{image_column}.bytes", LABEL_COLUMN):
        pngs = batch.column(image_column).field("bytes").to_pylist()
        yield from zip((png or b"" for png in pngs), batch.column(LABEL_COLUMN).to_pylist(), strict=True)


def _in_canonical_order(name: str, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> ImageSet:
    """Channels first, then rows sorted by SHA-256 of (pixel bytes [C, S, S], label as 8 bytes, low byte first)."""
    images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    keys = [
        hashlib.sha256(image.tobytes() + int(label).to_bytes(8, "little")).digest()
        for image, label in zip(images, labels, strict=True)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return ImageSet(name, torch.from_numpy(images[order]), torch.from_numpy(labels[order]), classes)


def parquet_pictures(paths: Sequence[Path], *, empty: bool = False) -> Pictures:
    """The rows of one or more files, in the given order.

    The images are in the column `image` or `img`, or in the only binary column. If every file has a column `label` of
    integers, which are not all the same, these are the labels, and the classes are called "0", "1", ... up to the
    largest; else there are none.
    empty: whether a row may be without bytes.
    Raises DataError naming file, column or row if a file does not fit this.
    """
    tables = [ParquetTable.of(path) for path in paths]
    columns = [_image_column(table) for table in tables]

    def each() -> Iterator[Picture]:
        for table, column in zip(tables, columns, strict=True):
            yield from _pictures_of(table, column, empty=empty)

    labels = np.concatenate([_labels(table) for table in tables]) if all(map(_has_labels, tables)) else None
    if labels is None or len(np.unique(labels)) < 2:
        return Pictures(each, np.zeros(sum(table.rows for table in tables), np.int64))
    return Pictures(each, labels, tuple(map(str, range(labels.max() + 1))))


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
    """int64 [rows]. Raises DataError naming the first row whose label is missing or out of range."""
    labels = [label for batch in table.batches(LABEL_COLUMN) for label in batch.column(0).to_pylist()]
    for row, label in enumerate(labels):
        if label is None or not 0 <= label < _MOST_CLASSES:
            raise DataError(
                f"{table.path}, row {row}: label must be 0..{_MOST_CLASSES - 1}, got {label}; "
                f"drop the column {LABEL_COLUMN!r} if it holds no labels"
            )
    return np.array(labels, np.int64)


def _pictures_of(table: ParquetTable, column: str, *, empty: bool) -> Iterator[Picture]:
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
