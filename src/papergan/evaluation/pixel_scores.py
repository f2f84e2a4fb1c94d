"""Scores that need no extractor: how alike samples are, and whether they are training images over again."""

from __future__ import annotations

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.memorisation import memorisation, pixel_vectors
from papergan.evaluation.ms_ssim import WINDOW, PairwiseSimilarity
from papergan.evaluation.protocol import Rules
from papergan.evaluation.reference import drawn

BYTES_AT_ONCE = 2**29  # of training images as vectors


def score_pixels(
    pixels: Tensor, real: Tensor, held_out: Tensor | None, rules: Rules, device: torch.device | str = "cpu"
) -> dict[str, float]:
    """`ms_ssim`, and where it is asked for `pixel_copy_rate` and `pixel_distance_ratio`.

    pixels: the first generated images; real, held_out: the real images of the reference split and of the other one;
    all uint8 [N, C, S, S] of one size; no memorisation without held-out images. Training images count mirrored as
    well: a mirrored copy is a copy.
    Raises EvaluationError where sizes differ.
    """
    shapes = [tuple(some.shape[1:]) for some in (pixels, real, held_out) if some is not None]
    if len(set(shapes)) > 1:
        raise EvaluationError(f"generated, real and held-out images must be of one shape, got {shapes}; give a size")
    rules = rules.within(len(pixels), len(real))
    scores = {}
    if len(pixels) > 1 and pixels.shape[-1] >= WINDOW:
        similarity = PairwiseSimilarity(max_pairs=rules.similarity_pairs)
        similarity.update(pixels)
        scores["ms_ssim"] = similarity.value()
    if rules.memorisation_samples and held_out is not None:
        some = held_out[drawn(len(held_out), rules.memorisation_samples)]
        first, some = (pixel_vectors(part.to(device)) for part in (pixels[: rules.memorisation_samples], some))
        at_once = max(1, BYTES_AT_ONCE // (8 * first.shape[1]))  # twice, since mirrored, and four bytes each
        parts = (pixel_vectors(part.to(device), mirror=True) for part in torch.split(real, at_once))
        found = memorisation(first, some, parts)
        scores |= {f"pixel_{name}": value for name, value in found.as_metrics().items()}
    return scores
