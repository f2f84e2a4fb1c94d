"""Sample grids as PNG, with their caption in the picture and in its text chunks."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any, NewType

from kedro.io import DatasetError
from kedro.io.core import Version

from papergan.data.grid import ImageGrid, encode_png
from papergan.io.whole_file import WholeFileDataset

ImagePreview = NewType("ImagePreview", str)  # Kedro-Viz goes by this name


class ImageGridDataset(WholeFileDataset[ImageGrid]):
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
        """What the newest picture says that it shows."""
        from PIL import Image

        with Image.open(io.BytesIO(self.path.read_bytes())) as picture:
            return str(picture.info.get("Description", ""))

    def preview(self) -> ImagePreview:
        """For Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.path.read_bytes()).decode())
