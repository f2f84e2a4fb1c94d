"""Pixel metrics, which need no extractor: similarity of samples, copies of training images, Parzen window."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import DRAW_SEED, reference_rows, train_and_test
from papergan.metrics.memorisation import memorisation, pixel_vectors
from papergan.metrics.ms_ssim import WINDOW, mean_pair_similarity
from papergan.metrics.parzen import parzen_score
from papergan.metrics.random_subsets import order, random_rows

BYTES_AT_ONCE = 2**29  # of training images as vectors
MAX_PARZEN_SAMPLES = 1000  # images for the bandwidth, and as many for the likelihood


def score_pixels(
    pixels: Tensor,
    real: Tensor,
    held_out: Tensor | None,
    rules: EvaluationRules,
    device: torch.device | str = "cpu",
    *,
    validation: Tensor | None = None,
) -> dict[str, float]:
    """`ms_ssim`, and if requested `pixel_copy_rate`, `pixel_distance_ratio` and `parzen_ll_historical`.

    With the latter come its error, `parzen_bandwidth` and, of validation images, `parzen_ll_validation`.

    pixels: generated images, in any order; real, held_out: the real images of the reference split and of the other
    split; validation: images for choosing the bandwidth of the Parzen window, if the rules say so; all uint8
    [N, C, S, S] of one size. Copies are searched among training images and likelihoods taken on test images, whichever
    split is the reference; both are left out if a split is missing. Subsets and pairs of `pixels` are drawn by the
    rules' seed. Training images are also compared mirrored: a mirrored copy is a copy.
    Raises EvaluationError if sizes differ, or there are fewer validation images than the rules require.
    """
    shapes = [tuple(some.shape[1:]) for some in (pixels, real, held_out) if some is not None]
    if len(set(shapes)) > 1:
        raise EvaluationError(f"generated, real and held-out images must be of one shape, got {shapes}; give a size")
    rules = rules.within(len(pixels), len(real))
    scores = {}
    if len(pixels) > 1 and pixels.shape[-1] >= WINDOW:
        pairs = order(len(pixels), rules.seed, "pairs")[: 2 * rules.similarity_pairs]
        scores["ms_ssim"] = mean_pair_similarity(pixels[pairs])
    train, test = train_and_test(rules.reference_split, real, held_out)
    if train is None or test is None:
        return scores
    if rules.memorisation_samples:
        some = pixels[random_rows(len(pixels), rules.memorisation_samples, rules.seed, "pixel memorisation")]
        scores |= _memorisation(some, train, test, device)
    if rules.parzen_samples:
        some = pixels[random_rows(len(pixels), rules.parzen_samples, rules.seed, "parzen")]
        scores |= _parzen(some, *_parzen_points(test, validation, rules.parzen_validation), rules, device)
    return scores


def num_images_kept(rules: EvaluationRules) -> int:
    """How many generated images `score_pixels` uses."""
    return max(rules.memorisation_samples, rules.parzen_samples, 2 * rules.similarity_pairs)


def _memorisation(pixels: Tensor, train: Tensor, test: Tensor, device: torch.device | str) -> dict[str, float]:
    some = test[reference_rows(len(test), len(pixels))]
    fake, unseen = (pixel_vectors(part.to(device)) for part in (pixels, some))
    at_once = max(1, BYTES_AT_ONCE // (8 * fake.shape[1]))  # twice, for mirrored images, and four bytes per value
    parts = (pixel_vectors(part.to(device), mirror=True) for part in torch.split(train, at_once))
    return {f"pixel_{name}": value for name, value in asdict(memorisation(fake, unseen, parts)).items()}


def _parzen_points(test: Tensor, validation: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
    """The images for choosing the bandwidth, and those whose likelihood is taken.

    The first `count` validation images and all test images; for a count of 0, two random halves of some test images.
    """
    if count:
        found = 0 if validation is None else len(validation)
        if validation is None or found < count:
            raise EvaluationError(
                f"parzen_validation wants {count} validation images, there are {found}; set `validation` of the recipe"
            )
        return validation[:count], test
    rows = reference_rows(len(test), 2 * MAX_PARZEN_SAMPLES)
    rows = rows[order(len(rows), DRAW_SEED, "halves")]  # needed if all are taken, which leaves them in order
    half = len(rows) // 2
    return test[rows[:half]], test[rows[half:]]


def _parzen(
    pixels: Tensor, chosen_by: Tensor, test: Tensor, rules: EvaluationRules, device: torch.device | str
) -> dict[str, float]:
    samples, chosen_by, test = (pixel_vectors(part.to(device)) for part in (pixels, chosen_by, test))
    score = parzen_score(samples, chosen_by, test, rules.parzen_bandwidths)
    of_validation = {"parzen_ll_validation": score.validation} if rules.parzen_validation else {}
    return {
        "parzen_ll_historical": score.mean, "parzen_ll_historical_std": score.error,
        "parzen_bandwidth": score.bandwidth, **of_validation,
    }  # fmt: skip
