"""Sample grids as PNG, with their caption in the picture and in its text chunks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from kedro.io import DatasetError
from kedro.io.core import Version

from papergan.datasets.atomic_file import read_bytes
from papergan.datasets.png import PngDataset
from papergan.errors import EvaluationError
from papergan.reporting.image_grid import ImageGrid, encode_png


class ImageGridDataset(PngDataset[ImageGrid]):
    """An ImageGrid as PNG. scale: pixels of the picture per pixel of an image, nearest neighbour."""

    def __init__(
        self, *, filepath: str, scale: int = 2, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._scale = scale

    def _encode(self, data: ImageGrid) -> bytes:
        return encode_png(data.picture(scale=self._scale), {"Description": data.caption})

    def _decode(self, content: bytes, path: Path) -> ImageGrid:
        raise DatasetError(f"{path}: a grid can be looked at (`preview`), not loaded; draw the samples again")

    def caption(self) -> str:
        """What the newest picture says that it shows. Raises EvaluationError where the picture is damaged."""
        from PIL import Image

        path = self.path
        content = read_bytes(path)
        self._check(content, path)
        try:
            with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                return str(picture.info.get("Description", ""))
        except Exception as problem:  # Pillow's parsers raise a dozen types on garbage; each means the same here
            raise EvaluationError(f"{path} is no picture ({type(problem).__name__}); draw it again") from problem
