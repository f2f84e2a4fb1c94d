"""Figures as PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.io import DatasetError

from papergan.datasets.png import PngDataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureDataset(PngDataset["Figure"]):
    """Saves a matplotlib figure as PNG. A figure cannot be loaded again."""

    def _encode(self, data: Figure) -> bytes:
        buffer = io.BytesIO()
        data.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()

    def _decode(self, content: bytes, path: Path) -> Figure:
        raise DatasetError(f"{path}: a figure can be looked at, not loaded; load the data it was drawn from")
