"""Pictures that are written and looked at, never read back; whether one is whole can be known all the same."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Generic, NewType, TypeVar

from papergan.data.png import damage_of_png
from papergan.datasets.atomic_file import AtomicFileDataset, read_bytes
from papergan.errors import EvaluationError

T = TypeVar("T")
ImagePreview = NewType("ImagePreview", str)  # Kedro-Viz goes by this name


class PngDataset(AtomicFileDataset[T], Generic[T]):
    """A picture as PNG, which exists where every chunk of it is whole. It cannot be loaded again."""

    def _check(self, content: bytes, path: Path) -> None:
        damage = damage_of_png(content)
        if damage is not None:
            raise EvaluationError(f"{path} is no whole PNG: {damage}; draw it again")

    def preview(self) -> ImagePreview:
        """For Kedro-Viz."""
        return ImagePreview(base64.b64encode(read_bytes(self.path)).decode())
