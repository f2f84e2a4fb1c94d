"""Scores of an encoder against independent formulas, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import EvaluationError
from papergan.metrics.encoder import code_error, nearest_neighbour_accuracy, reconstruction_error


def test_a_code_by_hand() -> None:
    known, known_labels = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([7, 7, 3, 3, 3, 7])  # 0 is 7, 1 is 3, 2 is 7
    codes, labels = torch.tensor([0, 0, 1, 2, 3]), torch.tensor([7, 3, 3, 7, 7])  # the second is wrong, 3 is unknown
    assert code_error(codes, labels, known, known_labels) == pytest.approx(2 / 5)
    assert code_error(torch.tensor([3]), torch.tensor([0]), known, known_labels) == 1  # not even for the first class


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_codes_may_be_integers_of_any_width(dtype: torch.dtype) -> None:
    codes, labels = torch.arange(20, dtype=dtype), torch.arange(20, dtype=dtype)  # 19 * 20 + 19 is above 255
    assert code_error(codes, labels, codes, labels) == 0
    assert code_error(codes.numpy(), labels.numpy(), codes.numpy(), labels.roll(1).numpy()) == 1


def test_a_permuted_code_is_no_error_and_chance_is_chance() -> None:
    labels = torch.arange(1000) % 10
    assert code_error((labels + 3) % 10, labels, (labels + 3) % 10, labels) == 0
    assert code_error(torch.zeros_like(labels), labels, torch.zeros_like(labels), labels) == pytest.approx(0.9)


def test_nearest_neighbours_by_all_differences() -> None:
    draw = torch.Generator().manual_seed(0)
    features, known = torch.randn(50, 4, generator=draw), torch.randn(80, 4, generator=draw)
    labels, known_labels = (torch.randint(3, (n,), generator=draw) for n in (50, 80))
    rows = (features[:, None] - known[None]).abs().square().sum(2).argmin(1)
    expected = sum(int(known_labels[row] == label) for row, label in zip(rows, labels, strict=True)) / 50
    assert nearest_neighbour_accuracy(features, labels, known, known_labels) == pytest.approx(expected)


def test_reconstructions_by_hand() -> None:
    images, shown = torch.full((2, 1, 2, 2), -1.0), torch.full((2, 1, 2, 2), -1.0)
    shown[0] = 1.0  # four pixels, each 1 apart in [0, 1]: a distance of 2
    assert reconstruction_error(images, shown) == pytest.approx((2 + 0) / 2)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(EvaluationError, match="codes must have one label each"):
        code_error(torch.zeros(3).long(), torch.zeros(2).long(), torch.zeros(3).long(), torch.zeros(3).long())
    with pytest.raises(EvaluationError, match="of one shape"):
        reconstruction_error(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 3, 3))
    with pytest.raises(EvaluationError, match="features must have one label each"):
        nearest_neighbour_accuracy(torch.zeros(0, 2), torch.zeros(0), torch.zeros(1, 2), torch.zeros(1))
