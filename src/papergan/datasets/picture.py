"""Pictures as PNG or GIF, which are viewed but never loaded; damaged ones are regenerated nevertheless."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType

from kedro.io import DatasetError
from kedro.io.core import Version

from papergan.data.decoding import damage_of_png
from papergan.datasets.atomic_file import AtomicFileDataset, read_bytes
from papergan.errors import EvaluationError
from papergan.reporting.image_grid import Animation, ImageGrid, encode_gif, encode_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ImagePreview = NewType("ImagePreview", str)  # Kedro-Viz goes by this name


class PictureDataset(AtomicFileDataset["Figure | ImageGrid | Animation"]):
    """A matplotlib figure or an ImageGrid as PNG, with its caption in its text chunks, or an Animation as GIF.

    It exists if every chunk or frame is whole. scale: pixels of a grid per pixel of an image, nearest neighbour.
    side: pixels that the images of an animation are enlarged to, by a whole factor; larger ones stay as they are.
    """

    def __init__(
        self,
        *,
        filepath: str,
        scale: int = 2,
        side: int = 64,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._scale, self._side = scale, side

    def _encode(self, data: Figure | ImageGrid | Animation) -> bytes:
        if isinstance(data, Animation):
            pictures = data.pictures(max(1, self._side // data.grids[0].images.shape[2]))
            return encode_gif(pictures, data.milliseconds, data.last)
        if isinstance(data, ImageGrid):
            return encode_png(data.picture(scale=self._scale), {"Description": data.caption})
        buffer = io.BytesIO()
        data.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()

    def _decode(self, content: bytes, path: Path) -> Figure | ImageGrid | Animation:
        raise DatasetError(
            f"{path}: a picture can be looked at (`preview`), not loaded; load the data it was drawn from"
        )

    def _check(self, content: bytes, path: Path) -> None:
        if path.suffix == ".gif":
            _check_gif(content, path)
        elif (damage := damage_of_png(content)) is not None:
            raise EvaluationError(f"{path} is not a whole PNG: {damage}; draw it again")

    def caption(self) -> str:
        """The caption of the newest grid. Raises EvaluationError if the picture is damaged."""
        from PIL import Image

        path = self.path
        content = read_bytes(path)
        self._check(content, path)
        try:
            with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                return str(picture.info.get("Description", ""))
        except Exception as error:  # Pillow's parsers raise a dozen types on garbage; each means the same here
            raise EvaluationError(f"{path} is not a picture ({type(error).__name__}); draw it again") from error

    def preview(self) -> ImagePreview:
        """The picture for Kedro-Viz; browsers go by the content, so a GIF is animated."""
        return ImagePreview(base64.b64encode(read_bytes(self.path)).decode())


def _check_gif(content: bytes, path: Path) -> None:
    """Raise EvaluationError for a truncated GIF. It has no checksums: a pixel of another colour is not detected."""
    from PIL import Image

    try:
        if not content.endswith(b";"):
            raise ValueError("its end is missing")
        with Image.open(io.BytesIO(content), formats=("GIF",)) as picture:
            for frame in range(getattr(picture, "n_frames", 1)):
                picture.seek(frame)
                picture.load()
    except Exception as error:  # Pillow's parsers raise a dozen types on garbage; each means the same here
        raise EvaluationError(f"{path} is not a whole GIF ({type(error).__name__}); draw it again") from error
