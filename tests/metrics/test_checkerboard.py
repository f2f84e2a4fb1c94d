"""Checkerboards: found where they were put, not found in noise or in even images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.checkerboard import checkerboard


def noise(count: int = 64, size: int = 32) -> torch.Tensor:
    smooth = torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        smooth = (smooth + smooth.roll(1, 2) + smooth.roll(1, 3)) / 2
    return smooth * 20 + 128


def bytes_of(values: torch.Tensor) -> torch.Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def test_noise_has_none():
    assert (
        abs(checkerboard(bytes_of(torch.randn(256, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 30 + 128)))
        < 0.1
    )


@pytest.mark.parametrize("pattern", ["columns", "rows", "both"])
def test_a_pattern_of_period_two_is_found_and_more_of_it_is_more(pattern):
    sign = torch.tensor([1.0, -1.0]).repeat(16)
    board = {"columns": sign[None].expand(32, 32), "rows": sign[:, None].expand(32, 32), "both": sign[:, None] * sign}[
        pattern
    ]
    plain, weak, strong = (checkerboard(bytes_of(noise() + amount * board)) for amount in (0.0, 3.0, 12.0))
    assert plain < weak < strong
    assert strong - plain > 0.5


def test_by_numpy():
    pixels = torch.randint(0, 256, (5, 3, 10, 10), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    grey = pixels.numpy().astype(float).mean(1)
    power = (np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2).mean(0)
    excess = []
    for row, column in ((5, 0), (0, 5), (5, 5)):
        patch = np.roll(power, (1 - row, 1 - column), (0, 1))[:3, :3].flatten()
        neighbours = sorted(np.delete(patch, 4))
        excess.append(np.log10(patch[4] / neighbours[3]))  # the lower one of the two in the middle
    assert checkerboard(pixels) == pytest.approx(np.mean(excess), abs=1e-6)


def test_other_images_are_refused():
    for bad in (
        torch.zeros(2, 1, 9, 9, dtype=torch.uint8),
        torch.zeros(2, 1, 32, 32),
        torch.zeros(0, 1, 8, 8, dtype=torch.uint8),
    ):
        with pytest.raises(EvaluationError, match="even S of at least 8"):
            checkerboard(bad)


def test_an_even_image_is_no_checkerboard():
    assert checkerboard(torch.full((3, 1, 8, 8), 77, dtype=torch.uint8)) == pytest.approx(0.0)
