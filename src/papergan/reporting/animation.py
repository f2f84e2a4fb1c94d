"""Animations of image grids, and their GIF files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import pad

from papergan.errors import DataError
from papergan.reporting.image_grid import ImageGrid

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN_MS, LAST_MS = 500, 2000


@dataclass(frozen=True, eq=False)
class Animation:
    """Image grids in the order in which they are shown, each with its caption. Raises DataError for none."""

    grids: tuple[ImageGrid, ...]

    def __post_init__(self) -> None:
        if not self.grids:
            raise DataError("an animation needs at least one grid")

    def pictures(self, scale: int = 1) -> list[Tensor]:
        """All grids as uint8 [C, H, W] of one size: those with shorter captions are padded with black."""
        pictures = [grid.picture(scale=scale) for grid in self.grids]
        height, width = (max(picture.shape[axis] for picture in pictures) for axis in (1, 2))
        return [pad(one, (0, width - one.shape[2], 0, height - one.shape[1])) for one in pictures]


def encode_gif(pictures: Sequence[Tensor]) -> bytes:
    """Pictures uint8 [1 or 3, H, W] of one size as a GIF that begins again: half a second each, the last two seconds.

    Grey is exact. Of colours each picture has the 256 that serve it best (median cut), without dithering, which would
    look like noise that the generator made. The same pictures make the same bytes.
    """
    frames = [_with_palette(picture) for picture in pictures]
    durations = [SHOWN_MS] * (len(frames) - 1) + [LAST_MS]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False
    )  # fmt: skip
    return buffer.getvalue()


def _with_palette(picture: Tensor) -> Image:
    from PIL import Image

    if len(picture) == 1:
        return Image.fromarray(picture[0].numpy())
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    return image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
