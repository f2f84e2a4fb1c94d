"""Measurement of a translator on the user's image files: degraded as in training, translated, and compared."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from papergan.data.translation import Degradation, Downsampled, InputSettings, Masked
from papergan.errors import RecipeError
from papergan.evaluation.translation_baselines import baselines
from papergan.evaluation.translation_scores import pair_scores
from papergan.inference.generator import Generator
from papergan.inference.translated_files import image_files, read_image
from papergan.inference.translator import LEAST, Translator
from papergan.messages import sanitise

Scores = dict[str, float]


def measure_files(generator: Generator, images: Path, *, tile: int | None = None) -> tuple[int, dict[str, Scores]]:
    """The number of images, and mean PSNR and SSIM of the translator, "translated", and of each baseline.

    Every image file of a folder, or one file, of any size, is degraded as in the recipe, and the translator's result is
    compared with the image. For super-resolution, sides are cropped to multiples of the factor, and as many pixels at
    each border are left out of the comparison, as in its papers.
    Raises RecipeError if the generator does not restore images, and for an image that is too small; DataError for a
    file that is not an image.
    """
    degradation = degradation_of(generator)
    assert isinstance(generator, Translator)
    factor = degradation.factor if isinstance(degradation, Downsampled) else 1
    found: dict[str, list[Scores]] = {}
    files = image_files(images)
    for file in files:
        wanted = torch.from_numpy(_cut(read_image(file, generator.image.channels), factor)).permute(2, 0, 1)[None]
        if min(wanted.shape[2:]) < (least := LEAST * factor):
            raise RecipeError(f"{sanitise(file)} is {wanted.shape[3]} x {wanted.shape[2]}, expected at least {least} "
                              "pixels each way, in whole factors; leave it out")  # fmt: skip
        given = degradation.of(wanted, file.name)
        made = {"translated": generator.translate(given.permute(0, 2, 3, 1), tile=tile).pixels}
        made |= dict(baselines(given, wanted.shape[1], (wanted.shape[2], wanted.shape[3])))
        for name, one in made.items():
            found.setdefault(name, []).append(pair_scores(one, wanted, factor if factor > 1 else 0))
    return len(files), {name: _means(scores) for name, scores in found.items()}


def degradation_of(generator: Generator) -> Degradation:
    """The degradation by which the recipe of a stored translator makes its inputs from images.

    Raises RecipeError if inputs are not made from images, if that was not stored, and for randomly placed holes.
    """
    given = generator.recipe.get("input")
    try:
        settings = TypeAdapter[InputSettings](InputSettings).validate_python(given)
    except ValidationError:
        raise RecipeError(f"the model of system {generator.system!r} does not say what it restores") from None
    if not isinstance(settings, Degradation) or isinstance(settings, Masked):
        raise RecipeError(
            f"images are measured where a recipe damages the whole of them, and the input of this one is {given}; "
            "papergan translate shows what it makes"
        )
    return settings


def as_text(count: int, scores: dict[str, Scores]) -> str:
    """A text table with one line each for the translator and the baselines."""
    names = [name for name in ("psnr_y", "ssim_y", "psnr", "ssim") if name in scores["translated"]]
    lines = [f"{count} images", f"{'':12}" + "".join(f"{name:>10}" for name in names)]
    for row, values in scores.items():
        lines.append(f"{row:12}" + "".join(f"{values[name]:10.{2 if 'psnr' in name else 4}f}" for name in names))
    return "\n".join(lines)


def _cut(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height - height % factor, : width - width % factor])


def _means(scores: list[Scores]) -> Scores:
    shared = set.intersection(*(set(one) for one in scores))
    return {name: fmean(one[name] for one in scores) for name in sorted(shared)}
