"""Pictures for people: many images side by side in one PNG that says what it shows."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt

import torch
from torch import Tensor

from papergan.errors import DataError

_CAPTION_MIN_WIDTH = 320
_CAPTION_MARGIN = 4


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """Images to be seen together, and the words under them, which say what they are ("synthetic_shapes, step 2000").

    images: uint8 [N, 1 or 3, S, S], 0..255. columns: None = as near to a square as it gets.
    Raises DataError where images are otherwise, or there are none.
    """

    images: Tensor
    caption: str
    columns: int | None = None

    def __post_init__(self) -> None:
        _check(self.images, self.columns)

    def picture(self, padding: int = 2, scale: int = 1) -> Tensor:
        """The grid with its caption, uint8 [C, H, W]."""
        return with_caption(make_grid(self.images, self.columns, padding, scale), self.caption)


def make_grid(images: Tensor, columns: int | None = None, padding: int = 2, scale: int = 1) -> Tensor:
    """Images uint8 [N, C, S, S], row by row -> one picture uint8 [C, H, W].

    columns: None = ceil(sqrt(N)). padding: black pixels around each image, not scaled. scale: each pixel of an image
    becomes scale x scale equal pixels (nearest neighbour, so that nothing is made prettier than it is).
    """
    _check(images, columns)
    if padding < 0 or scale < 1:
        raise DataError(f"a grid needs padding >= 0 and scale >= 1, got {padding} and {scale}")
    count, channels, size, _ = images.shape
    columns = min(columns or ceil(sqrt(count)), count)
    rows, step = ceil(count / columns), size * scale + padding
    large = images.cpu().repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    grid = torch.zeros(channels, rows * step + padding, columns * step + padding, dtype=torch.uint8)
    for index, image in enumerate(large):
        top, left = (place * step + padding for place in divmod(index, columns))
        grid[:, top : top + size * scale, left : left + size * scale] = image
    return grid


def with_caption(grid: Tensor, caption: str) -> Tensor:
    """The picture with a line of text under it, white on black; more lines, or a wider picture, if it does not fit."""
    if not caption:
        return grid
    from PIL import Image, ImageDraw, ImageFont
    from torchvision.transforms.functional import pil_to_tensor

    font = ImageFont.load_default_imagefont()  # the built-in bitmap: the same pixels on every machine
    width = max(grid.shape[2], _CAPTION_MIN_WIDTH)
    letter = max(1, int(font.getbbox("x")[2]))
    text = caption.encode("latin-1", "replace").decode("latin-1")  # all that this font can draw
    lines = "\n".join(textwrap.wrap(text, (width - 2 * _CAPTION_MARGIN) // letter))
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    height = ceil(draw.multiline_textbbox((0, 0), lines, font=font)[3]) + 2 * _CAPTION_MARGIN
    strip = Image.new("L", (width, height))
    ImageDraw.Draw(strip).multiline_text((_CAPTION_MARGIN, _CAPTION_MARGIN), lines, fill=255, font=font)
    picture = torch.zeros(grid.shape[0], grid.shape[1] + height, width, dtype=torch.uint8)
    picture[:, : grid.shape[1], : grid.shape[2]] = grid
    picture[:, grid.shape[1] :] = pil_to_tensor(strip)
    return picture


def encode_png(grid: Tensor, text: Mapping[str, str]) -> bytes:
    """A picture uint8 [1 or 3, H, W] as PNG. text: chunks by keyword, for example {"Description": the caption}."""
    from PIL import Image, PngImagePlugin

    if grid.dtype != torch.uint8 or grid.dim() != 3 or grid.shape[0] not in (1, 3):
        raise DataError(f"a picture must be uint8 [1 or 3, H, W], got {grid.dtype} {tuple(grid.shape)}")
    chunks = PngImagePlugin.PngInfo()
    for keyword, value in text.items():
        chunks.add_text(keyword, value)
    pixels = grid.cpu().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if grid.shape[0] == 1 else pixels).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def _check(images: Tensor, columns: int | None) -> None:
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise DataError(f"a grid needs images uint8 [N, 1 or 3, S, S], got {images.dtype} {tuple(images.shape)}")
    if images.shape[2] != images.shape[3]:
        raise DataError(f"a grid needs square images, got {images.shape[3]}x{images.shape[2]}")
    if columns is not None and columns < 1:
        raise DataError(f"a grid needs at least 1 column, got {columns}")
