from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.classes import (
    class_counts,
    class_divergence,
    class_entropy,
    classes_covered,
    divergence_from_even,
)


def logits_of(labels: Tensor, classes: int) -> Tensor:
    """Float logits whose largest entry is at the label."""
    noise = torch.rand(len(labels), classes, generator=torch.Generator().manual_seed(1))
    return noise + 2 * torch.nn.functional.one_hot(labels, classes)


def counts(*numbers: int) -> Tensor:
    return torch.tensor(numbers)


def test_counts_the_largest_logit() -> None:
    labels = torch.randint(4, (1000,), generator=torch.Generator().manual_seed(2))
    found = class_counts(logits_of(labels, 4))
    assert found.dtype == torch.int64
    assert found.tolist() == [labels.tolist().count(label) for label in range(4)]


def test_covered_classes_hold_more_than_a_tenth_of_a_fair_share() -> None:
    """K = 4, N = 80: more than 2 images."""
    assert classes_covered(counts(73, 3, 2, 2)) == 2
    assert classes_covered(counts(20, 20, 20, 20)) == 4


def test_divergence_from_even_shares_is_the_formula_of_pacgan() -> None:
    shares = [0.5, 0.3, 0.2]  # KL(p || u), of the classes that are drawn
    expected = sum(share * math.log(share / 0.25) for share in shares)
    assert divergence_from_even(counts(50, 30, 20, 0)) == pytest.approx(expected, rel=1e-12)
    assert divergence_from_even(counts(7, 7, 7)) == 0
    assert divergence_from_even(counts(0, 9, 0, 0)) == pytest.approx(math.log(4))


def test_entropy_is_normalised() -> None:
    assert class_entropy(counts(5, 5, 5, 5)) == pytest.approx(1, rel=1e-12)
    assert class_entropy(counts(0, 7, 0, 0)) == 0
    assert math.copysign(1, class_entropy(counts(0, 7, 0, 0))) == 1
    assert class_entropy(counts(5, 5, 0, 0)) == pytest.approx(0.5, rel=1e-12)
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3)
    assert class_entropy(counts(3, 1, 0)) == pytest.approx(expected, rel=1e-12)


def test_divergence_by_hand_with_its_one_pseudo_count() -> None:
    fake, real = counts(4, 0), counts(1, 2)
    p, q = (4.5 / 5, 0.5 / 5), (1.5 / 4, 2.5 / 4)
    expected = p[0] * math.log(p[0] / q[0]) + p[1] * math.log(p[1] / q[1])
    assert class_divergence(fake, real) == pytest.approx(expected, rel=1e-12)
    assert class_divergence(fake, real) != pytest.approx(class_divergence(real, fake), rel=0.01)  # roles


def test_divergence_is_zero_with_itself_finite_without_a_class_and_true_in_the_limit() -> None:
    assert class_divergence(counts(3, 1, 0), counts(3, 1, 0)) == 0
    assert 0 < class_divergence(counts(5, 5), counts(10, 0)) < math.inf
    fake, real = (10**9 * counts(*c) for c in ([1, 3], [1, 1]))
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert class_divergence(fake, real) == pytest.approx(expected, rel=1e-7)


def test_what_cannot_be_counted_or_compared_is_refused() -> None:
    for logits in (torch.zeros(4, 1), torch.zeros(0, 3), torch.zeros(4)):
        with pytest.raises(EvaluationError, match="logits"):
            class_counts(logits)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(EvaluationError, match="NaN or infinity"):
            class_counts(torch.tensor([[0.0, bad, 0.0]]))
    with pytest.raises(EvaluationError, match="2 and 3 classes"):
        class_divergence(counts(1, 2), counts(1, 2, 3))
