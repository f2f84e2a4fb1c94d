"""Figures as PNG."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, NewType

from kedro.io import DatasetError

from papergan.io.whole_file import WholeFileDataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ImagePreview = NewType("ImagePreview", str)  # Kedro-Viz goes by this name


class FigureDataset(WholeFileDataset["Figure"]):
    """Saves a matplotlib figure as PNG. A figure cannot be loaded again."""

    def _encode(self, data: Figure) -> bytes:
        buffer = io.BytesIO()
        data.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()

    def _decode(self, content: bytes, path: Path) -> Figure:
        raise DatasetError(f"{path}: a figure can be looked at, not loaded; load the data it was drawn from")

    def preview(self) -> ImagePreview:
        """For Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.path.read_bytes()).decode())
