"""Small parquet files in the Hub's layout, good and bad."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

CLASSES = ("a", "b", "c")


def pixels(count: int = 6, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def png(array: np.ndarray, mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(buffer, "PNG", **options)
    return buffer.getvalue()


def pngs(count: int = 6, size: int = 8, **options: object) -> list[bytes]:
    return [png(array, **options) for array in pixels(count, size)]


def write(path: Path, images: list[bytes], labels: list[object] | None = None, column: str = "img") -> Path:
    labels = [index % 3 for index in range(len(images))] if labels is None else labels
    structs = [{"bytes": image, "path": f"{index}.png"} for index, image in enumerate(images)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({column: structs, "label": labels}), path)
    return path
