from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from papergan.errors import EvaluationError
from papergan.metrics.ms_ssim import mean_pair_similarity, ms_ssim, num_scales

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
C1, C2 = 6.5025, 58.5225


def images(count: int, size: int = 32, channels: int = 3, seed: int = 0) -> Tensor:
    """Smooth images with values over the whole range."""
    draw = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(count, channels, 6, 6, generator=draw)
    return interpolate(coarse, size=size, mode="bicubic").round().clamp(0, 255).to(torch.uint8)


def noisy(pixels: Tensor, deviation: float, seed: int = 1) -> Tensor:
    noise = deviation * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))
    return (pixels.float() + noise).round().clamp(0, 255).to(torch.uint8)


def brute_force(first: np.ndarray, second: np.ndarray, scales: int) -> float:
    """One pair [C, S, S], window by window; variances as means of squared deviations."""
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    result = 1.0
    for scale in range(scales):
        a, b = (np.lib.stride_tricks.sliding_window_view(image, (11, 11), (1, 2)) for image in (first, second))
        mean_a, mean_b = (a * window).sum((-1, -2)), (b * window).sum((-1, -2))
        centred_a, centred_b = a - mean_a[..., None, None], b - mean_b[..., None, None]
        variances = ((centred_a**2 + centred_b**2) * window).sum((-1, -2))
        term = (2 * (centred_a * centred_b * window).sum((-1, -2)) + C2) / (variances + C2)
        if scale == scales - 1:
            term = term * (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
        result *= max(term.mean(), 0) ** (WEIGHTS[scale] / sum(WEIGHTS[:scales]))
        half = first.shape[-1] // 2
        first, second = (
            image[:, : 2 * half, : 2 * half].reshape(-1, half, 2, half, 2).mean((2, 4)) for image in (first, second)
        )
    return float(result)


def test_as_many_scales_as_the_window_fits() -> None:
    expected = {11: 1, 21: 1, 22: 2, 28: 2, 32: 2, 43: 2, 44: 3, 64: 3, 87: 3, 88: 4, 128: 4, 175: 4, 176: 5, 1024: 5}
    assert {size: num_scales(size) for size in expected} == expected
    with pytest.raises(EvaluationError, match="at least 11 pixels, got 10"):
        num_scales(10)


@pytest.mark.parametrize("size", [11, 28, 32, 64, 200])
def test_identical_images_are_one(size: int) -> None:
    pixels = images(3, size, channels=1)
    np.testing.assert_allclose(ms_ssim(pixels, pixels).numpy(), 1, rtol=1e-12)


@pytest.mark.parametrize(("size", "scales"), [(16, 1), (28, 2), (32, 2), (64, 3), (100, 4), (192, 5)])
def test_constant_images_differ_in_luminance_alone(size: int, scales: int) -> None:
    """Without variance cs is 1 at every scale; l = (2 a b + C1) / (a^2 + b^2 + C1) counts at the last only."""
    first, second = (torch.full((1, 3, size, size), value, dtype=torch.uint8) for value in (40, 200))
    luminance = (2 * 40 * 200 + C1) / (40**2 + 200**2 + C1)
    expected = luminance ** (WEIGHTS[scales - 1] / sum(WEIGHTS[:scales]))
    assert float(ms_ssim(first, second)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("size", "scales", "channels"), [(11, 1, 3), (28, 2, 1), (32, 2, 3), (45, 3, 3)])
def test_agrees_with_brute_force(size: int, scales: int, channels: int) -> None:
    pixels = images(4, size, channels)
    second = torch.cat([noisy(pixels[:2], 30), pixels[3:], pixels[2:3]])
    expected = [
        brute_force(a, b, scales) for a, b in zip(pixels.double().numpy(), second.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ms_ssim(pixels, second).numpy(), expected, rtol=1e-9, atol=1e-12)
    assert 0.1 < expected[0] < 0.95


def test_agrees_with_torchmetrics_on_five_scales_but_for_its_border() -> None:
    """At the last scale of 12 x 12 pixels it reflects the border where ours and the authors' windows lie inside.

    For pairs that have something in common that moves the value by 2e-4. With its border cut off nothing is left but
    its exponents, whose sum is 1.0001.
    """
    reference = pytest.importorskip("torchmetrics.functional.image")
    first = images(2, 192, channels=1)
    second = noisy(first, 60)
    ours = ms_ssim(first, second).numpy()
    first, second = first.double(), second.double()
    theirs = reference.multiscale_structural_similarity_index_measure(first, second, data_range=255.0, reduction="none")
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)
    product = torch.ones(2, dtype=torch.float64)
    for scale, weight in enumerate(WEIGHTS):
        options = {"return_contrast_sensitivity": True} if scale < 4 else {"return_full_image": True}
        term = reference.structural_similarity_index_measure(
            first, second, data_range=255.0, reduction="none", **options
        )[1]
        product *= (term if scale < 4 else term[..., 5:-5, 5:-5].mean((1, 2, 3))) ** weight
        first, second = avg_pool2d(first, 2), avg_pool2d(second, 2)
    np.testing.assert_allclose(ours, product.numpy() ** (1 / sum(WEIGHTS)), rtol=1e-9)


def test_symmetric_the_same_for_floats_and_never_below_zero() -> None:
    first, second = images(20, seed=2), images(20, seed=3)
    found = ms_ssim(first, second)
    assert found.dtype == torch.float64
    assert found.shape == (20,)
    torch.testing.assert_close(found, ms_ssim(second, first), rtol=1e-12, atol=0)
    assert torch.equal(found, ms_ssim(first.float(), second.double()))
    assert float(ms_ssim(first, 255 - first).max()) == 0  # opposites: every covariance is negative
    assert bool((found >= 0).all() & (found <= 1).all())


def test_one_image_with_noise_is_near_one_and_different_images_are_not() -> None:
    collapsed = noisy(images(1, seed=4).repeat(100, 1, 1, 1), 4)
    assert mean_pair_similarity(collapsed) > 0.98
    assert mean_pair_similarity(images(100, seed=5)) < 0.5


def test_neighbours_are_paired_and_the_last_of_an_odd_number_is_left_out() -> None:
    pixels = images(301, 16, channels=1, seed=6)
    expected = float(ms_ssim(pixels[0:300:2], pixels[1:300:2]).mean())
    assert mean_pair_similarity(pixels) == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(EvaluationError, match="one shape"):
        ms_ssim(images(2), images(3))
    with pytest.raises(EvaluationError, match="one shape"):
        ms_ssim(images(2)[0], images(2)[0])
    with pytest.raises(EvaluationError, match="at least 11 pixels, got 8"):
        ms_ssim(images(2, 8), images(2, 8))
    with pytest.raises(EvaluationError, match="at least 2 images"):
        mean_pair_similarity(images(1))
    with pytest.raises(EvaluationError, match="uint8"):
        mean_pair_similarity(images(2).float())
