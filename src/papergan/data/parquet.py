"""Images from parquet files in the layout of the Hugging Face Hub, checked to the last byte.

The layout: an image column that is a struct {bytes: one PNG file, path}, and a column `label` of integers.

Rows are put in *canonical order*: sorted by SHA-256 over (pixels, label). The Hub's own file, a copy with its rows
permuted and a copy with its PNGs packed anew therefore give the same images in the same order, hence the same digest
and, for one seed, the same batches. The digest that a catalog pins is `ImageSet.digest` in that order: it pins the
content, whatever the row order and the encoding.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from papergan.data.decoding import decode_png
from papergan.data.images import ImageSet, Mode
from papergan.data.memory import check_memory
from papergan.data.parquet_table import LABEL_COLUMN, ParquetTable, has_bytes
from papergan.data.pictures import Picture
from papergan.errors import DataError
from papergan.messages import sanitise


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
    Raises DataError naming file, row and reason where anything differs from what is declared.
    """
    table = ParquetTable.of(path)
    _check_columns(table, image_column)
    if table.rows != rows:
        raise DataError(f"{path} must have {rows} rows, got {table.rows}; get the file again")
    shape = (rows, size, size, 3 if mode == "RGB" else 1)
    check_memory(f"{name} as declared", 2 * math.prod(shape), "declare what the file holds")  # twice: put in order
    images = np.empty(shape, np.uint8)
    labels = np.empty(rows, np.int64)
    for row, (png, label) in enumerate(_rows(table, image_column)):
        if not png:
            raise DataError(f"{path}, row {row} has no image bytes; get the file again")
        images[row] = decode_png(Picture(f"{path}, row {row}", png), mode, size).reshape(images.shape[1:])
        if not isinstance(label, int) or not 0 <= label < len(classes):
            raise DataError(f"{path}, row {row}: label must be 0..{len(classes) - 1}, got {label}")
        labels[row] = label
    image_set = _in_canonical_order(name, images, labels, tuple(classes))
    if image_set.digest != digest:
        raise DataError(
            f"{path} is not the published {name}: expected content digest {digest}, got {image_set.digest}; "
            f"delete the file and get it again"
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
    """(PNG bytes, label) of each row; those of some rows in memory at a time."""
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
