"""Decoding of one image file: either whole and unambiguous, or a DataError is raised.

Pixels are taken as stored: colour profiles are not applied, but the EXIF orientation is, in every format. 16-bit values
keep their high byte. Colour becomes grey by Pillow's luma, (299 R + 587 G + 114 B) / 1000. Every checksum of a PNG is
verified; JPEG, WebP and BMP have none, so damage that leaves such a file decodable cannot be detected. Of a JPEG that
holds further pictures, as cameras write them (previews, depth), the first is decoded, which is the photograph.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from papergan.data.images import Background, Mode, Picture
from papergan.data.memory import read_into_memory
from papergan.data.preparation import resized_pixels
from papergan.errors import DataError, MemoryShortError

if TYPE_CHECKING:
    from PIL.Image import Image

DAMAGED, TOO_LARGE = "damaged or no images", "of more than 67 megapixels"
MAX_PIXELS = 2**26  # 8192 x 8192; a header may claim anything, and claims cost nothing to write
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of a PNG chunk besides its body: length, kind, checksum
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
_JPEG = ("JPEG", "MPO")  # MPO: Pillow's name for a JPEG that holds further pictures (CIPA DC-007)
_GREY = ("1", "L", "LA", "I;16")
_COLOUR = ("P", "PA", "RGB", "RGBA")
_CONVERTED = ("CMYK", "YCbCr", "LAB", "HSV", "RGBX", "I", "I;16B", "La", "RGBa")


class ImageError(DataError):
    """An image that cannot be used. why: the reason in a few words, the same for all images with this reason."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class Decoded(NamedTuple):
    """One decoded image. pixels: uint8 [C, S, S]. enlarged: it was smaller than that. grey: greyscale as stored."""

    pixels: np.ndarray
    enlarged: bool
    grey: bool


class Header(NamedTuple):
    """Properties known before decoding. width, height: pixels. grey: greyscale as stored. jpeg: a JPEG file."""

    width: int
    height: int
    grey: bool
    jpeg: bool


def read_header(picture: Picture) -> Header:
    """The header of a picture. Raises DataError naming the picture if it is not an image of a supported kind."""
    with _opened(picture) as image:
        return Header(*image.size, image.mode in _GREY, image.format in _JPEG)


def decode(picture: Picture, mode: Mode, size: int, background: Background | None = None) -> np.ndarray:
    """Pixels as uint8 [C, size, size]: upright, in `mode`, cropped to the central square, resized where needed.

    background: colour behind transparent pixels; None = there may be none. Raises DataError naming the picture if it is
    damaged, transparent or of an unsupported kind.
    """
    with _opened(picture, whole=True) as image:
        square = _central_square(_converted(_upright(image), mode, background))
        pixels = np.asarray(square).reshape(*square.size, -1).transpose(2, 0, 1)
    if square.width == size:
        return pixels
    return resized_pixels(torch.tensor(pixels).unsqueeze(0), size).squeeze(0).numpy()


def decode_any(picture: Picture, mode: Mode, size: int, background: Background) -> Decoded:
    """As `decode`, for images of any kind: transparency is flattened onto the background, CMYK and the like converted.

    Pillow resizes, by the rule that `decode` follows. Raises ImageError if it is not an image, damaged, or animated.
    """
    from PIL.Image import Resampling

    with _opened(picture, whole=True, modes=_GREY + _COLOUR + _CONVERTED) as image:
        grey = image.mode in _GREY
        upright = _upright(image)
        if upright.mode in _CONVERTED:
            upright = _as_bytes(upright)
        square = _central_square(_converted(upright, mode, background))
        side = square.width
        if side != size:
            square = square.resize((size, size), Resampling.BILINEAR)
        pixels = np.asarray(square).reshape(size, size, -1).transpose(2, 0, 1)
    return Decoded(pixels, side < size, grey)


def decode_whole(picture: Picture, mode: Mode, background: Background) -> np.ndarray:
    """As `decode_any`, at the image's own size, uncropped: uint8 [H, W, C]. Raises ImageError as `decode_any` does."""
    with _opened(picture, whole=True, modes=_GREY + _COLOUR + _CONVERTED) as image:
        upright = _upright(image)
        shown = _converted(_as_bytes(upright) if upright.mode in _CONVERTED else upright, mode, background)
        return np.array(shown).reshape(shown.height, shown.width, -1)


def _as_bytes(image: Image) -> Image:
    """Convert CMYK, YCbCr and the like to RGB, and integers of more than 8 bits to grey, by their high byte of 16."""
    from PIL import Image

    if image.mode in ("I", "I;16B"):
        return Image.fromarray((np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8))
    return image.convert("RGBA" if image.mode == "La" or image.mode == "RGBa" else "RGB")


def decode_png(picture: Picture, mode: Mode, size: int) -> np.ndarray:
    """Pixels of a PNG exactly as stored, uint8 [S, S, 3] or [S, S]: nothing is converted, cropped or resized.

    Raises DataError naming the picture if it is damaged, or of another format, mode or size.
    """
    with _opened(picture, whole=True) as image:
        if image.format != "PNG":
            raise DataError(f"is not a whole PNG image but {image.format}; copy or download it again")
        if (image.mode, image.size) != (mode, (size, size)):
            got = f"{image.mode} {image.width}x{image.height}"
            raise DataError(f"is {got}, expected {mode} {size}x{size}; copy or download it again")
        return np.asarray(image)


@contextmanager
def _opened(picture: Picture, *, whole: bool = False, modes: tuple[str, ...] = _GREY + _COLOUR) -> Iterator[Image]:
    """Open an image and decode its header; errors inside the block are raised as DataError naming the picture.

    whole: read the file to its end, at once, and verify a PNG's checksums. modes: pixel modes that are accepted.
    """
    try:
        content = read_into_memory(picture.content) if whole and isinstance(picture.content, Path) else picture.content
        with _open(content) as image:
            _check_header(image, modes)
            if whole and image.format == "PNG" and isinstance(content, bytes):
                _check_png(content)
            yield image
    except MemoryShortError:
        raise
    except DataError as error:
        raise ImageError(f"{picture.where} {error}", getattr(error, "why", "refused")) from error
    except Exception as error:  # Pillow's parsers raise a dozen types on garbage; each means the same here
        kind = type(error).__name__
        raise ImageError(
            f"{picture.where} is not a whole PNG, JPEG, BMP or WebP image"
            f"{'' if kind == 'UnidentifiedImageError' else f' ({kind})'}; copy or download it again, or leave it out",
            DAMAGED,
        ) from error


def damage_of_png(content: bytes, *, trailing: bool = False) -> str | None:
    """Describe the damage of a PNG file, or return None: its signature, chunks, checksums and end are checked.

    Every chunk's CRC-32 is verified, which covers its type and its data (PNG specification, 5.3 and 5.5);
    a single flipped bit in a file can therefore never change the decoded pixels unnoticed.
    trailing: allow bytes after the last chunk, as many programs leave them there; no decoder reads them.
    """
    if not content.startswith(_SIGNATURE):
        return "it does not begin like one"
    view = memoryview(content)
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length = int.from_bytes(view[place : place + 4], "big")
        end = place + _AROUND + length
        if end > len(view):
            return f"it ends within the chunk at byte {place}"
        kind = bytes(view[place + 4 : place + 8])
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return f"the chunk at byte {place} is damaged"
        place = end
    return None if trailing or place == len(view) else f"{len(view) - place} bytes follow its end"


def _check_png(content: bytes) -> None:
    damage = damage_of_png(content, trailing=True)
    if damage is not None:
        raise ImageError(f"is not a whole PNG image ({damage}); copy or download it again, or leave it out", DAMAGED)


def _open(content: Path | bytes | np.ndarray) -> Image:
    from PIL import Image, ImageFile

    if isinstance(content, np.ndarray):
        return Image.fromarray(content.squeeze(2) if content.shape[2] == 1 else content)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            "cannot be checked: PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so damage would pass; turn it off"
        )
    try:
        return Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(f"has more than {MAX_PIXELS} pixels; make it smaller or leave it out", TOO_LARGE) from error


def _check_header(image: Image, modes: tuple[str, ...]) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"is {image.width}x{image.height}, more than {MAX_PIXELS} pixels; make it smaller or leave it out",
            TOO_LARGE,
        )
    if image.format not in _JPEG and getattr(image, "is_animated", False):
        raise ImageError("has more than one frame; save the frames as files of their own or leave it out", "animated")
    if image.mode not in modes:
        message = f"has pixels of mode {image.mode}, expected one of {', '.join(modes)}; convert it to RGB"
        raise ImageError(message, f"with pixels of mode {image.mode}")


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _converted(image: Image, mode: Mode, background: Background | None) -> Image:
    """The image in `mode`, without alpha. Raises DataError if a pixel is not opaque and no background is known."""
    from PIL import Image

    if image.has_transparency_data:
        # An "I;16" image has no alpha channel, only one value declared transparent, which its writer did for a reason.
        if image.mode == "I;16":
            raise ImageError("is partly transparent; flatten it onto a background first", "grey of 16 bits with alpha")
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            if background is None:
                raise DataError("is partly transparent; flatten it onto a background first")
            image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode == mode else image.convert(mode)


def _central_square(image: Image) -> Image:
    """Crop to the central square of the shorter side; an odd pixel is cut from the bottom or the right."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
