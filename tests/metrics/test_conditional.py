"""Distances within classes, and whether images are of the class asked for, against other formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.conditional import class_accuracies, intra_class_distances, statistics_by_class


def drawn(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features of three classes, each about its own mean; the classes in no order."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=draw)
    return torch.randn(count, 4, generator=draw, dtype=torch.float64) + 3.0 * labels[:, None], labels


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Through the eigenvalues of the product of covariances."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(first @ second).real).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second) - 2 * root)


def within(fake: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor) -> list[float]:
    return intra_class_distances(statistics_by_class(fake, labels, 3), statistics_by_class(real, real_labels, 3))


def test_each_class_is_held_against_the_real_images_of_that_class() -> None:
    (fake, labels), (real, real_labels) = drawn(200, 0), drawn(300, 1)
    found = within(fake, labels, real, real_labels)
    expected = [distance(fake[labels == c].numpy(), real[real_labels == c].numpy()) for c in range(3)]
    assert found == pytest.approx(expected, rel=1e-8)


def test_swapped_classes_are_far_where_all_of_them_together_are_as_near() -> None:
    """The means of classes 0 and 1 are 3 apart in each of four directions: 36 for both, and nothing for class 2."""
    (fake, labels), (real, real_labels) = drawn(6000, 2), drawn(6000, 3)
    swapped = torch.tensor([1, 0, 2])[labels]
    found = within(fake, swapped, real, real_labels)
    assert found[:2] == pytest.approx([36, 36], rel=0.05)
    assert found[2] < 0.1


def test_a_class_of_one_image_has_no_distance() -> None:
    features, labels = drawn(50, 4)
    labels = torch.where(labels == 1, 0, labels)
    labels[7] = 1
    with pytest.raises(EvaluationError, match="class 1 has 1 images, and 2 are needed"):
        statistics_by_class(features, labels, 3)


def test_shares_of_the_images_of_each_class_that_are_taken_for_it() -> None:
    predicted, asked = torch.tensor([0, 0, 1, 2, 2, 0]), torch.tensor([0, 1, 1, 2, 0, 0])
    logits = torch.nn.functional.one_hot(predicted, 4).float()
    found = class_accuracies(logits, asked, 4)
    assert found[:3].tolist() == pytest.approx([2 / 3, 1 / 2, 1])
    assert bool(found[3].isnan())


@pytest.mark.parametrize(
    "labels", [torch.tensor([0, 3]), torch.tensor([0, -1]), torch.tensor([0]), torch.tensor([[0, 1]])]
)
def test_labels_that_are_no_classes_are_refused(labels: Tensor) -> None:
    with pytest.raises(EvaluationError, match=r"one for each of 2 images, in 0..2"):
        class_accuracies(torch.zeros(2, 3), labels, 3)
    with pytest.raises(EvaluationError, match=r"one for each of 2 images, in 0..2"):
        statistics_by_class(torch.zeros(2, 3), labels, 3)


def test_logits_of_other_classes_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"logits must be \[N, 10\]"):
        class_accuracies(torch.zeros(2, 1008), torch.tensor([0, 1]), 10)
