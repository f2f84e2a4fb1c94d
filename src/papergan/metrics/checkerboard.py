"""Checkerboard artefacts in the spectrum: the excess power of images at the frequencies of a stride of two."""

from __future__ import annotations

import torch

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


def checkerboard(pixels: Array) -> float:
    """log10 of the mean power at the frequencies of period 2 over that of their neighbours.

    pixels: uint8 [N, C, S, S], S even and at least 8. Frequencies: (1/2, 0), (0, 1/2) and (1/2, 1/2) per pixel, where
    the uneven overlap of a transposed convolution of stride 2 adds power (Odena, Dumoulin and Olah 2016,
    doi:10.23915/distill.00003; in the spectrum: Zhang, Karaman and Chang 2019, arXiv:1907.06515, section 3); the mean
    of all three. Power: the mean over images; neighbours: the lower median of the eight around each, the fourth
    smallest. 0 = no excess, 1 = ten times the power. The definition is ours: neither source gives a number.
    Raises EvaluationError for images of another type or shape.
    """
    pixels = as_tensor(pixels, "images")
    if (
        pixels.dtype != torch.uint8
        or pixels.dim() != 4
        or not len(pixels)
        or pixels.shape[-1] % 2
        or pixels.shape[-1] < 8
    ):
        raise EvaluationError(
            f"checkerboards are looked for in uint8 [N, C, S, S] with an even S of at least 8, got {pixels.dtype} "
            f"{tuple(pixels.shape)}"
        )
    half = pixels.shape[-1] // 2
    grey = pixels.double().mean(1)
    power = torch.fft.fft2(grey - grey.mean((1, 2), keepdim=True)).abs().square().mean(0) + 1e-3  # ~ rounding noise
    ratios = []
    for row, column in ((half, 0), (0, half), (half, half)):
        places = [(row + r, column + c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
        around = torch.stack([power[r % (2 * half), c % (2 * half)] for r, c in places])
        ratios.append(power[row, column] / around.median())
    return float(torch.stack(ratios).log10().mean())
