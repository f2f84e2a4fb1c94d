"""Translation of image files: one PNG of the same name for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from papergan.atomic_files import check_regular, reading_errors, write_whole
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

    Images are converted to grey or RGB, like the generator's inputs; transparency is filled with white. Results of an
    earlier call are replaced.
    Raises RecipeError if the generator is not a translator, or its inputs are not pictures, if an image is too small,
    and if two results, or a result and an image, would be one file; DataError for a file that is not an image;
    StorageError if the disk cannot be written.
    """
    if not isinstance(generator, Translator):
        raise RecipeError(f"system {generator.system!r} makes images from latents; papergan sample shows them")
    generator.check_takes_pictures(direction)
    channels = generator.channels_of(direction)
    targets = _targets(image_files(images), out)
    for target, file in targets.items():
        image = read_image(file, channels)[None]
        try:
            made = generator.translate(image, direction=direction, tile=tile)
        except RecipeError as error:
            raise RecipeError(f"{sanitise(file)}: {str(error).removeprefix('translate: ')}") from error
        write_whole(target, encode_png(made.pixels[0], made.about))
    return list(targets)


def _targets(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Each result file, and its source file. Raises RecipeError if one would overwrite another."""
    targets: dict[Path, Path] = {}
    originals = {file.resolve() for file in files}
    for file in files:
        target = out / f"{file.stem}.png"
        if (other := targets.get(target)) is not None:
            raise RecipeError(f"{other} and {file} would both become {target}; rename one of them")
        if target.resolve() in originals:
            raise RecipeError(f"{target} is one of the images, and would be replaced; name another folder with --out")
        targets[target] = file
    return targets


def image_files(images: Path) -> list[Path]:
    """The file, or the image files of a folder that are not hidden, sorted by name. Raises DataError if there are none.

    Hidden ones are left by desktop systems: `._photo.jpg`, which is no image, next to `photo.jpg`.
    """
    if images.is_file():
        return [images]
    with reading_errors(images):
        found = sorted(path for path in images.iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
        files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not files:
        raise DataError(f"{images} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return files


def read_image(file: Path, channels: int) -> np.ndarray:
    """uint8 [H, W, C] of a file, grey for one channel, else RGB; transparency is filled with white."""
    check_regular(file)
    return decode_whole(Picture(sanitise(file), file), "L" if channels == 1 else "RGB", "white")
