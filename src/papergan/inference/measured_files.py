"""Measurement of a translator on the user's image files: degraded as in training, translated, and compared."""

from __future__ import annotations

from dataclasses import dataclass
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
from papergan.metrics.ms_ssim import WINDOW

Scores = dict[str, float]


@dataclass(frozen=True)
class MeasuredFiles:
    """Mean PSNR and SSIM of the translator, "translated", and of each baseline.

    images: how many PSNR is the mean of. with_ssim: how many SSIM is the mean of, as smaller ones than its window have
    none; if 0, `scores` has none either.
    """

    images: int
    with_ssim: int
    scores: dict[str, Scores]

    def as_text(self) -> str:
        """A text table with one line each for the translator and the baselines."""
        names = [name for name in ("psnr_y", "ssim_y", "psnr", "ssim") if name in self.scores["translated"]]
        lines = [f"{self.images} {'image' if self.images == 1 else 'images'}"]
        lines.append(f"{'':12}" + "".join(f"{name:>10}" for name in names))
        for row, values in self.scores.items():
            lines.append(f"{row:12}" + "".join(f"{values[name]:10.{2 if 'psnr' in name else 4}f}" for name in names))
        if self.with_ssim < self.images:
            lines.append(f"SSIM of {self.with_ssim} of {self.images}; the others have a side below {WINDOW} pixels")
        return "\n".join(lines)


def measure_files(generator: Generator, images: Path, *, tile: int | None = None) -> MeasuredFiles:
    """Mean PSNR and SSIM of a translator and of its baselines on the user's images.

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
    with_ssim = sum("ssim" in one for one in found["translated"])
    return MeasuredFiles(len(files), with_ssim, {name: _means(scores) for name, scores in found.items()})


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


def _cut(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height - height % factor, : width - width % factor])


def _means(scores: list[Scores]) -> Scores:
    """The means over images, of each score over those that have it."""
    names = set().union(*scores)
    return {name: fmean(one[name] for one in scores if name in one) for name in sorted(names)}
