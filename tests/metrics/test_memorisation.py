from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.memorisation import Memorisation, memorisation, pixel_vectors


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def images(count: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def noisy(pixels: Tensor, deviation: float, seed: int) -> Tensor:
    noise = deviation * random(*pixels.shape, seed=seed)
    return (pixels.float() + noise).round().clamp(0, 255).to(torch.uint8)


def brute_force(fake: Tensor, held_out: Tensor, train: Tensor, quantile: float) -> Memorisation:
    """From whole matrices of distances, in float64."""

    def to_train(vectors: Tensor) -> np.ndarray:
        rows, columns = vectors.double().numpy(), train.double().numpy()
        return np.sqrt(((rows[:, None] - columns[None]) ** 2).sum(-1)).min(1)

    ours, usual = to_train(fake), to_train(held_out)
    copied = (ours < np.quantile(usual, quantile)) | (ours == 0)
    return Memorisation(float(copied.mean()), float(np.median(ours) / np.median(usual)))


@pytest.mark.parametrize("block", [16, 2048])
@pytest.mark.parametrize("quantile", [0.01, 0.1, 0.5])
def test_agrees_with_brute_force_whatever_the_blocks(quantile: float, block: int) -> None:
    fake, held_out, train = 0.9 * random(101, 5, seed=0), random(80, 5, seed=1), random(130, 5, seed=2)
    found = memorisation(fake, held_out, train, quantile=quantile, block=block)
    assert asdict(found) == pytest.approx(asdict(brute_force(fake, held_out, train, quantile)), rel=1e-6)


def test_an_honest_sample_scores_the_quantile_and_one() -> None:
    fake, held_out, train = random(4000, 6, seed=3), random(4000, 6, seed=4), random(1000, 6, seed=5)
    for quantile in (0.01, 0.1):
        found = memorisation(fake, held_out, train, quantile=quantile)
        error = (2 * quantile * (1 - quantile) / 4000) ** 0.5
        assert found.copy_rate == pytest.approx(quantile, abs=4 * error)
        assert found.distance_ratio == pytest.approx(1, abs=0.03)


def test_copies_are_found_with_noise_too_and_in_their_share() -> None:
    train, held_out = images(300, 6), images(300, 7)
    vectors = pixel_vectors(held_out), pixel_vectors(train)
    assert memorisation(pixel_vectors(train[50:150]), *vectors) == Memorisation(copy_rate=1.0, distance_ratio=0.0)
    close = memorisation(pixel_vectors(noisy(train[:100], 16, seed=8)), *vectors)
    assert close.copy_rate == 1
    assert 0 < close.distance_ratio < 0.3
    half = memorisation(pixel_vectors(torch.cat([train[:50], images(50, 9)])), *vectors)
    assert half.copy_rate == pytest.approx(0.5, abs=0.06)


def test_flipped_copies_are_found_only_among_mirrored_images() -> None:
    train, held_out = images(300, 10), pixel_vectors(images(300, 11))
    flipped = pixel_vectors(noisy(train[:100].flip(-1), 4, seed=12))
    plain = memorisation(flipped, held_out, pixel_vectors(train))
    assert plain.copy_rate < 0.1
    assert plain.distance_ratio == pytest.approx(1, abs=0.05)
    mirrored = memorisation(flipped, held_out, pixel_vectors(train, mirror=True))
    assert mirrored.copy_rate == 1
    assert mirrored.distance_ratio < 0.1


def test_exact_copies_count_where_the_quantile_is_zero_and_near_ones_do_not() -> None:
    """A fifth of the held-out images are training images, so no distance is strictly below the lowest tenth of them."""
    train = random(100, 4, seed=13)
    held_out = torch.cat([train[:20], random(80, 4, seed=14)])
    fake = torch.cat([train[:30], train[30:40] + 1e-3, random(60, 4, seed=15)])
    assert memorisation(fake, held_out, train, quantile=0.1).copy_rate == pytest.approx(0.3)


def test_as_near_as_the_nearest_unseen_image_is_no_copy() -> None:
    train, held_out = torch.zeros(1, 1), torch.ones(9, 1)
    assert memorisation(torch.tensor([[1.0], [0.5], [-1.0], [0.0]]), held_out, train) == Memorisation(0.5, 0.75)


def test_pixel_vectors_hold_every_value_in_order_and_then_the_mirrored() -> None:
    pixels = torch.tensor([[[[0, 51], [102, 255]]], [[[1, 2], [3, 4]]]], dtype=torch.uint8)
    expected = torch.tensor([[0.0, 0.2, 0.4, 1.0], [1 / 255, 2 / 255, 3 / 255, 4 / 255]])
    mirrored = torch.tensor([[0.2, 0.0, 1.0, 0.4], [2 / 255, 1 / 255, 4 / 255, 3 / 255]])
    assert pixel_vectors(pixels).dtype == torch.float32
    torch.testing.assert_close(pixel_vectors(pixels), expected)
    torch.testing.assert_close(pixel_vectors(pixels, mirror=True), torch.cat([expected, mirrored]))
    assert pixel_vectors(images(5, 0), mirror=True).shape == (10, 3 * 8 * 8)
    assert int(pixels[0, 0, 1, 1]) == 255  # not changed in place


def test_what_cannot_be_measured_is_refused() -> None:
    good = random(20, 3, seed=16)
    for quantile in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(EvaluationError, match="between 0 and 1"):
            memorisation(good, good + 1, good, quantile=quantile)
    with pytest.raises(EvaluationError, match="half of the held-out"):
        memorisation(good, torch.cat([good[:11], good[11:] + 5]), good)
    with pytest.raises(EvaluationError, match="one dimension"):
        memorisation(torch.zeros(5, 4), good, good)
    with pytest.raises(EvaluationError, match="0 vectors"):
        memorisation(good[:0], good, good)
    with pytest.raises(EvaluationError, match="NaN"):
        memorisation(torch.full((5, 3), float("nan")), good, good)
    with pytest.raises(EvaluationError, match="uint8"):
        pixel_vectors(torch.zeros(2, 3, 8, 8))
    with pytest.raises(EvaluationError, match="uint8"):
        pixel_vectors(torch.zeros(2, 64, dtype=torch.uint8))
