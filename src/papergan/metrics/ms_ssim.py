"""Diversity by multi-scale structural similarity: how similar two images of one generator are on average."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import check_pixels
from papergan.metrics.arrays import Array, as_tensor

WINDOW = 11
SIGMA = 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from the finest scale to the coarsest
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
PAIRS_AT_ONCE = 64  # in float64, with a dozen intermediate images each


def num_scales(size: int) -> int:
    """The number of scales of an image of `size` pixels: halvings (rounded down) that leave 11 pixels, at most 5.

    11-21 pixels: 1, 22-43: 2 (so 28 and 32), 44-87: 3 (64), 88-175: 4 (128), from 176: 5.
    Raises EvaluationError below 11 pixels.
    """
    if size < WINDOW:
        raise EvaluationError(f"MS-SSIM needs images of at least {WINDOW} pixels, got {size}; leave it out for these")
    return sum(size >> scale >= WINDOW for scale in range(len(WEIGHTS)))


def ms_ssim(first: Array, second: Array) -> Tensor:
    """Multi-scale structural similarity of each pair; 1 = identical, near 0 = nothing in common.

    prod_s cs_s^(w_s) * l^(w_last), with, in a gaussian window of 11 x 11 pixels (sigma 1.5) around each pixel,
    cs = (2 cov + C2) / (var_1 + var_2 + C2) at every scale s, l = (2 m_1 m_2 + C1) / (m_1^2 + m_2^2 + C1) at the
    last; C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2. cs, and cs * l at the last scale, are averaged over channels and
    those pixels whose window lies inside; a negative average counts as 0. The next scale is the mean of 2 x 2 pixels.
    The first `num_scales` of the weights (.0448, .2856, .3001, .2363, .1333) are used, divided by their sum (which is
    1.0001 for all): values of images of 32 pixels, at two scales, cannot be compared with those of 176 at five.
    first, second: uint8 or float 0..255, [B, C, S, S] -> float64 [B] in 0..1.
    Raises EvaluationError for other shapes, different shapes, and images below 11 pixels.
    Source: Wang, Simoncelli, Bovik 2003, "Multiscale structural similarity", eq. 7 and section 3.2.
    """
    first, second = as_tensor(first, "images"), as_tensor(second, "images")
    if first.ndim != 4 or first.shape != second.shape:
        raise EvaluationError(
            f"MS-SSIM compares images [B, C, S, S] of one shape, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    scales = num_scales(min(first.shape[-2:]))
    first, second = first.double(), second.double()
    similarity = torch.ones(len(first), dtype=torch.float64, device=first.device)
    for scale, weight in enumerate(WEIGHTS[:scales]):
        luminance, contrast = luminance_and_contrast(first, second)
        term = luminance * contrast if scale == scales - 1 else contrast
        similarity *= term.mean((1, 2, 3)).clamp_min(0) ** (weight / sum(WEIGHTS[:scales]))
        first, second = avg_pool2d(first, 2), avg_pool2d(second, 2)
    return similarity


def mean_pair_similarity(pixels: Array) -> float:
    """Mean MS-SSIM of image 2i with image 2i + 1, 0..1; lower = more diverse. A last unpaired image is left out.

    pixels: uint8 [N, C, S, S]. It notices only a near-total collapse: report it next to the value of real images.
    Raises EvaluationError for fewer than two images, other types and shapes, and images below 11 pixels.
    Source: Odena, Olah, Shlens 2017, arXiv:1610.09585, section 4.2, who pair images of one class.
    """
    pixels = as_tensor(pixels, "images")
    check_pixels(pixels)
    if len(pixels) < 2:
        raise EvaluationError(f"a mean similarity needs at least 2 images, got {len(pixels)}")
    paired = pixels[: len(pixels) // 2 * 2]
    similarities: list[float] = []
    for part in torch.split(paired, 2 * PAIRS_AT_ONCE):
        similarities += ms_ssim(part[0::2], part[1::2]).tolist()
    return sum(similarities) / len(similarities)


def luminance_and_contrast(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast of every window, each [B, C, S - 10, S - 10]."""
    mean_1, mean_2 = _blur(first), _blur(second)
    variances = _blur(first.square()) - mean_1.square() + _blur(second.square()) - mean_2.square()
    covariance = _blur(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + C1) / (mean_1.square() + mean_2.square() + C1)
    return luminance, (2 * covariance + C2) / (variances + C2)


def _blur(images: Tensor) -> Tensor:
    """Gaussian mean of every window that lies inside; two products with a banded matrix, exact on any device."""
    rows, columns = (_windows(size).to(images.device) for size in images.shape[-2:])
    return rows @ images @ columns.T


def _windows(size: int) -> Tensor:
    """float64 [size - 10, size]: row i holds the gaussian of the window that begins at pixel i."""
    offset = torch.arange(size) - torch.arange(size - WINDOW + 1)[:, None]
    bell = torch.exp(-((offset - WINDOW // 2).double() ** 2) / (2 * SIGMA**2))
    bell = bell * ((offset >= 0) & (offset < WINDOW))
    return bell / bell.sum(1, keepdim=True)
