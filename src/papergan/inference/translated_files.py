"""Translation of image files: one PNG of the same name for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from papergan.atomic_files import check_regular, write_whole
from papergan.data.decoding import decode_whole
from papergan.data.folder import IMAGE_SUFFIXES
from papergan.data.images import Picture
from papergan.errors import DataError, RecipeError
from papergan.inference.generator import Generator
from papergan.inference.translator import Translator
from papergan.messages import sanitise
from papergan.reporting.image_grid import encode_png


def translate_files(generator: Generator, images: Path, out: Path, *, direction: str, tile: int | None) -> list[Path]:
    """Translate a file, or every image file of a folder, each at its own size, into folder `out`; returns the paths.

    Images become grey or RGB, as the generator's inputs are; what is transparent lies on white.
    Raises RecipeError where the generator translates nothing, or inputs that are no pictures; DataError for a file that
    is no image; StorageError where the disk refuses.
    """
    if not isinstance(generator, Translator):
        raise RecipeError(f"system {generator.system!r} makes images from latents; papergan sample shows them")
    generator.check_takes_pictures(direction)
    channels = generator.channels_of(direction)
    paths = []
    for file in image_files(images):
        made = generator.translate(read_image(file, channels)[None], direction=direction, tile=tile)
        paths.append(out / f"{file.stem}.png")
        out.mkdir(parents=True, exist_ok=True)
        write_whole(paths[-1], encode_png(made.pixels[0], made.about))
    return paths


def image_files(images: Path) -> list[Path]:
    """The file, or the image files of a folder by name. Raises DataError where there are none."""
    if images.is_file():
        return [images]
    files = sorted(path for path in images.iterdir() if path.is_file() and path.name.lower().endswith(IMAGE_SUFFIXES))
    if not files:
        raise DataError(f"{images} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return files


def read_image(file: Path, channels: int) -> np.ndarray:
    """uint8 [H, W, C] of a file, grey for one channel, else RGB; what is transparent lies on white."""
    check_regular(file)
    return decode_whole(Picture(sanitise(file), file), "L" if channels == 1 else "RGB", "white")
