"""Animations as GIF."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from kedro.io import DatasetError
from kedro.io.core import Version

from papergan.datasets.atomic_file import AtomicFileDataset, read_bytes
from papergan.datasets.png import ImagePreview
from papergan.errors import EvaluationError
from papergan.reporting.animation import Animation, encode_gif


class AnimationDataset(AtomicFileDataset[Animation]):
    """An Animation as GIF, which exists where all of its frames can be decoded. It cannot be loaded again.

    side: pixels that an image is enlarged to, by a whole factor, nearest neighbour; larger ones stay as they are.
    """

    def __init__(
        self, *, filepath: str, side: int = 64, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._side = side

    def _encode(self, data: Animation) -> bytes:
        scale = max(1, self._side // data.grids[0].images.shape[2])
        return encode_gif(data.pictures(scale))

    def _decode(self, content: bytes, path: Path) -> Animation:
        raise DatasetError(
            f"{path}: an animation can be looked at, not loaded; the frames are in {{experiment}}.frames"
        )

    def _check(self, content: bytes, path: Path) -> None:
        """GIF has no checksums: that it is cut is noticed, that a pixel changed its colour is not."""
        from PIL import Image

        try:
            if not content.endswith(b";"):
                raise ValueError("its end is missing")
            with Image.open(io.BytesIO(content), formats=("GIF",)) as picture:
                for frame in range(getattr(picture, "n_frames", 1)):
                    picture.seek(frame)
                    picture.load()
        except Exception as problem:  # Pillow's parsers raise a dozen types on garbage; each means the same here
            raise EvaluationError(f"{path} is no whole GIF ({type(problem).__name__}); draw it again") from problem

    def preview(self) -> ImagePreview:
        """For Kedro-Viz; browsers go by the content and let it move."""
        return ImagePreview(base64.b64encode(read_bytes(self.path)).decode())
