"""Images from parquet files in the layout of the Hugging Face Hub, checked to the last byte.

The layout: an image column that is a struct {bytes: one PNG file, path}, and a column `label` of integers.

Rows are put in *canonical order*: sorted by SHA-256 over (pixels, label). The Hub's own file, a copy with its rows
permuted and a copy with its PNGs packed anew therefore give the same images in the same order, hence the same digest
and, for one seed, the same batches. The digest that a catalog pins is `ImageSet.digest` in that order: it pins the
content, whatever the row order and the encoding.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from papergan.atomic_files import check_regular
from papergan.data.declarations import Mode
from papergan.data.images import ImageSet
from papergan.data.memory import check_memory
from papergan.data.png import damage_of_png
from papergan.errors import DataError
from papergan.messages import sanitise

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import ParquetFile

LABEL_COLUMN = "label"
_BATCH_ROWS = 2048


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
    parquet, schema = _open(path)
    _check_table(path, schema, image_column)
    if parquet.metadata.num_rows != rows:
        raise DataError(f"{path} must have {rows} rows, got {parquet.metadata.num_rows}; get the file again")
    shape = (rows, size, size, 3 if mode == "RGB" else 1)
    check_memory(f"{name} as declared", 2 * math.prod(shape), "declare what the file holds")  # twice: put in order
    images = np.empty(shape, np.uint8)
    labels = np.empty(rows, np.int64)
    for row, (png, label) in enumerate(_rows(parquet, path, image_column, rows)):
        try:
            images[row] = decode_png(png, mode, size).reshape(images.shape[1:])
            labels[row] = _checked_label(label, len(classes))
        except DataError as problem:
            raise DataError(f"{path}, row {row}: {problem}") from problem
    image_set = _in_canonical_order(name, images, labels, tuple(classes))
    if image_set.digest != digest:
        raise DataError(
            f"{path} is not the published {name}: expected content digest {digest}, got {image_set.digest}; "
            f"delete the file and get it again"
        )
    return image_set


def decode_png(png: object, mode: Mode, size: int) -> np.ndarray:
    """One PNG file's bytes -> uint8 [S, S, 3] or [S, S]. Raises DataError with the reason where it is anything else."""
    from PIL import Image, ImageFile

    if not isinstance(png, bytes) or not png:
        raise DataError("no image bytes")
    try:
        # The header alone is read here, so an image that is too large is refused before memory is given to it.
        with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            if (image.mode, image.size) != (mode, (size, size)):
                got = f"{image.mode} {image.size[0]}x{image.size[1]}"
                raise DataError(f"expected a {mode} {size}x{size} image, got {got}")
            if ImageFile.LOAD_TRUNCATED_IMAGES:
                raise DataError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so a damaged image would pass; turn it off")
            if (damage := damage_of_png(png, trailing=True)) is not None:
                raise DataError(f"not a whole PNG image ({damage})")
            return np.asarray(image)
    except DataError:
        raise
    except Image.DecompressionBombError as problem:
        raise DataError(f"expected a {mode} {size}x{size} image, got one far too large to be read") from problem
    except Exception as problem:  # Pillow's parsers raise a dozen types on garbage; each means the same here
        raise DataError(f"not a whole PNG image ({type(problem).__name__})") from problem


def _open(path: Path) -> tuple[ParquetFile, Schema]:
    """The file and what its footer says of the columns, before any row is read."""
    from pyarrow.parquet import ParquetFile

    try:
        check_regular(path)
        parquet = ParquetFile(path)
        return parquet, parquet.schema_arrow
    except FileNotFoundError as problem:
        raise DataError(f"{path} does not exist") from problem
    except Exception as problem:  # as above: Arrow's reader on garbage
        raise DataError(f"{path} is not a readable parquet file ({sanitise(problem)}); get it again") from problem


def _check_table(path: Path, schema: Schema, image_column: str) -> None:
    """Columns and their types."""
    import pyarrow

    for column in (image_column, LABEL_COLUMN):
        if schema.names.count(column) != 1:
            found = sanitise(", ".join(schema.names)) or "none"
            raise DataError(f"{path} needs one column {column!r}; it has: {found}")
    image, label = schema.field(image_column).type, schema.field(LABEL_COLUMN).type
    has_bytes = pyarrow.types.is_struct(image) and image.get_field_index("bytes") >= 0
    if not has_bytes or not pyarrow.types.is_binary(image.field("bytes").type):
        raise DataError(
            f"{path}: column {image_column!r} must be a struct with a binary field 'bytes', got {sanitise(image)}"
        )
    if not pyarrow.types.is_integer(label):
        raise DataError(f"{path}: column {LABEL_COLUMN!r} must hold integers, got {sanitise(label)}")


def _rows(parquet: ParquetFile, path: Path, image_column: str, rows: int) -> Iterator[tuple[object, object]]:
    """(PNG bytes, label) of each of `rows` rows, no more and no fewer; a batch of rows in memory at a time."""
    left = rows
    try:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=[f"{image_column}.bytes", LABEL_COLUMN]):
            left -= len(batch)
            if left < 0:
                break
            pngs = batch.column(image_column).field("bytes").to_pylist()
            yield from zip(pngs, batch.column(LABEL_COLUMN).to_pylist(), strict=True)
    except Exception as problem:  # as above
        raise DataError(f"{path} is a damaged parquet file ({sanitise(problem)}); get it again") from problem
    if left:
        raise DataError(f"{path} is a damaged parquet file (it does not hold the {rows} rows it claims); get it again")


def _checked_label(label: object, num_classes: int) -> int:
    if not isinstance(label, int) or not 0 <= label < num_classes:
        raise DataError(f"label must be 0..{num_classes - 1}, got {label}")
    return label


def _in_canonical_order(name: str, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> ImageSet:
    """Channels first, then rows sorted by SHA-256 of (pixel bytes [C, S, S], label as 8 bytes, low byte first)."""
    images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    keys = [
        hashlib.sha256(image.tobytes() + int(label).to_bytes(8, "little")).digest()
        for image, label in zip(images, labels, strict=True)
    ]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return ImageSet(name, torch.from_numpy(images[order]), torch.from_numpy(labels[order]), classes)
