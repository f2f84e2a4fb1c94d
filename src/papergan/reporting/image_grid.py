"""Image grids with row labels and captions, their PNG files, and their animations as GIF files."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from papergan.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_CAPTION_MIN_WIDTH = 320
_CAPTION_MARGIN = 4


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """Images of one grid, and its caption ("synthetic_shapes, step 2000").

    images: uint8 [N, 1 or 3, S, S], 0..255, or clips, [N, T or 3 T, S, S], each of which is shown as a film strip.
    columns: None = as nearly square as possible. row_labels: text to the left of the rows, from the top.
    Raises DataError for other images, or none.
    """

    images: Tensor
    caption: str
    columns: int | None = None
    row_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.images, self.columns)

    def picture(self, padding: int = 2, scale: int = 1) -> Tensor:
        """The grid with labels and caption, uint8 [C, H, W]."""
        grid = make_grid(self.images, self.columns, padding, scale)
        height = self.images.shape[2] * scale + padding
        return with_caption(with_row_labels(grid, self.row_labels, height), self.caption)


def make_grid(images: Tensor, columns: int | None = None, padding: int = 2, scale: int = 1) -> Tensor:
    """Images or clips uint8 [N, C, S, S], row by row -> one picture uint8 [1 or 3, H, W]. Clips are film strips.

    columns: None = ceil(sqrt(N)), for clips proportionally fewer, as they are wider. padding: black pixels around each
    image, not scaled. scale: each pixel of an image becomes scale x scale equal pixels (nearest neighbour, so that
    nothing looks better than it is).
    """
    _check(images, columns)
    if padding < 0 or scale < 1:
        raise DataError(f"a grid needs padding >= 0 and scale >= 1, got {padding} and {scale}")
    strips = film_strips(images.cpu()).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    count, channels, height, width = strips.shape
    columns = min(columns or ceil(sqrt(count * height / width)), count)
    down, right = height + padding, width + padding
    grid = torch.zeros(channels, ceil(count / columns) * down + padding, columns * right + padding, dtype=torch.uint8)
    for index, image in enumerate(strips):
        row, column = divmod(index, columns)
        top, left = row * down + padding, column * right + padding
        grid[:, top : top + height, left : left + width] = image
    return grid


def num_frames(channels: int) -> int:
    """The frames of images with this many channels; 1 for still images. Unique, as clips have a power of two of them.

    Raises DataError for a number of channels that neither images nor clips have.
    """
    frames = channels // 3 if channels % 3 == 0 else channels
    if frames < 1 or frames & frames - 1:
        raise DataError(f"neither images nor clips have {channels} channels")
    return frames


def film_strips(images: Tensor) -> Tensor:
    """Clips [N, T * C, S, S] -> their frames side by side, [N, C, S, T * S]; still images are unchanged."""
    return _frames_apart(images).permute(0, 2, 3, 1, 4).flatten(3)


def _frames_apart(clips: Tensor) -> Tensor:
    """[N, T * C, S, S] -> [N, T, C, S, S]."""
    return clips.reshape(len(clips), num_frames(clips.shape[1]), -1, *clips.shape[2:])


def with_row_labels(grid: Tensor, labels: Sequence[str], height: int) -> Tensor:
    """The picture uint8 [C, H, W] with a label left of each row of `height` pixels, white on black."""
    if not labels:
        return grid
    widest = max(_size_of(label)[0] for label in labels) + 2 * _CAPTION_MARGIN
    margin = torch.zeros(grid.shape[0], grid.shape[1], widest, dtype=torch.uint8)
    for row, label in enumerate(labels[: grid.shape[1] // height]):
        top = row * height + max(0, (height - _size_of(label)[1]) // 2)
        rendered = _render_text(label, widest, _size_of(label)[1])[:, : grid.shape[1] - top]
        margin[:, top : top + rendered.shape[1]] = rendered
    return torch.cat([margin, grid], dim=2)


def with_caption(grid: Tensor, caption: str) -> Tensor:
    """The picture with a line of text under it, white on black; more lines, or a wider picture, if it does not fit."""
    if not caption:
        return grid
    width = max(grid.shape[2], _CAPTION_MIN_WIDTH)
    letter = max(1, _size_of("x")[0])
    lines = "\n".join(textwrap.wrap(caption, (width - 2 * _CAPTION_MARGIN) // letter))
    strip = _render_text(lines, width, _size_of(lines)[1] + 2 * _CAPTION_MARGIN, top=_CAPTION_MARGIN)
    return torch.cat([pad(grid, (0, width - grid.shape[2])), strip.expand(len(grid), -1, -1)], dim=1)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")  # all that the built-in font can draw


def _size_of(text: str) -> tuple[int, int]:
    """Width and height in pixels, as `_render_text` draws it."""
    from PIL import Image, ImageDraw, ImageFont

    draw, font = ImageDraw.Draw(Image.new("L", (1, 1))), ImageFont.load_default_imagefont()
    box = draw.multiline_textbbox((0, 0), _latin(text), font=font)
    return ceil(box[2]), ceil(box[3])


def _render_text(text: str, width: int, height: int, top: int = 0) -> Tensor:
    """Render text, white on black, uint8 [1, height, width]. The bitmap font has the same pixels on every machine."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("L", (width, height))
    font = ImageFont.load_default_imagefont()
    ImageDraw.Draw(strip).multiline_text((_CAPTION_MARGIN, top), _latin(text), fill=255, font=font)
    return torch.from_numpy(np.array(strip))[None]


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


def top_of_picture(png: bytes, name: str, width: int = 512) -> bytes:
    """The upper quarter of a grid's PNG, no wider than `width` pixels, as PNG. Raises DataError if it is damaged."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png)) as picture:
            strip = picture.crop((0, 0, picture.width, picture.width // 4))
            strip.thumbnail((width, width))
            buffer = io.BytesIO()
            strip.save(buffer, "PNG")
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name} is damaged ({error}); draw it again") from error
    return buffer.getvalue()


def _check(images: Tensor, columns: int | None) -> None:
    if images.dtype != torch.uint8 or images.dim() != 4 or 0 in images.shape:
        raise DataError(f"a grid needs images uint8 [N, 1 or 3, S, S], got {images.dtype} {tuple(images.shape)}")
    num_frames(images.shape[1])
    if images.shape[2] != images.shape[3]:
        raise DataError(f"a grid needs square images, got {images.shape[3]}x{images.shape[2]}")
    if columns is not None and columns < 1:
        raise DataError(f"a grid needs at least 1 column, got {columns}")


SHOWN_MS, LAST_MS = 500, 2000
FRAME_MS = 125


@dataclass(frozen=True, eq=False)
class Animation:
    """Image grids in the order shown, each with its caption. Raises DataError if there are none.

    milliseconds: how long each grid is shown; last: the same for the last one.
    """

    grids: tuple[ImageGrid, ...]
    milliseconds: int = SHOWN_MS
    last: int = LAST_MS

    def __post_init__(self) -> None:
        if not self.grids:
            raise DataError("an animation needs at least one grid")

    def pictures(self, scale: int = 1) -> list[Tensor]:
        """All grids as uint8 [C, H, W] of one size: those with shorter captions are padded with black."""
        pictures = [grid.picture(scale=scale) for grid in self.grids]
        height, width = (max(picture.shape[axis] for picture in pictures) for axis in (1, 2))
        return [pad(one, (0, width - one.shape[2], 0, height - one.shape[1])) for one in pictures]


def playing(clips: Tensor, caption: str, columns: int | None = None) -> Animation:
    """Clips uint8 [N, T * C, S, S] as an animation of T grids: all clips play at once, at eight frames per second."""
    frames = _frames_apart(clips).unbind(1)
    return Animation(tuple(ImageGrid(frame, caption, columns) for frame in frames), FRAME_MS, 4 * FRAME_MS)


def encode_gif(pictures: Sequence[Tensor], milliseconds: int = SHOWN_MS, last: int = LAST_MS) -> bytes:
    """Pictures uint8 [1 or 3, H, W] of one size as a looping GIF. milliseconds: per picture; last: of the last one.

    Grey is exact. Each colour picture has its own 256 colours (median cut), without dithering, which would
    look like noise from the generator. The same pictures give the same bytes.
    """
    frames = [_with_palette(picture) for picture in pictures]
    durations = [milliseconds] * (len(frames) - 1) + [last]
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
