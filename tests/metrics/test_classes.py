from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.classes import ClassHistogram


def logits_of(labels: Tensor, classes: int) -> Tensor:
    """Float logits whose largest entry is at the label."""
    noise = torch.rand(len(labels), classes, generator=torch.Generator().manual_seed(1))
    return noise + 2 * torch.nn.functional.one_hot(labels, classes)


def histogram(*counts: int) -> ClassHistogram:
    found = ClassHistogram(len(counts))
    found.update(logits_of(torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), len(counts)))
    return found


def test_counts_the_largest_logit_over_the_whole_stream() -> None:
    labels = torch.randint(4, (1000,), generator=torch.Generator().manual_seed(2))
    found = ClassHistogram(4)
    for batch in logits_of(labels, 4).split(33):
        found.update(batch)
    assert found.count == 1000
    assert found.counts.dtype == torch.int64
    assert found.counts.tolist() == [labels.tolist().count(label) for label in range(4)]


def test_merging_adds_and_changes_neither_part() -> None:
    first, second = histogram(1, 2, 3), histogram(0, 5, 0)
    assert first.merge(second).counts.tolist() == [1, 7, 3]
    assert (first.counts.tolist(), second.counts.tolist()) == ([1, 2, 3], [0, 5, 0])


def test_storage_keeps_everything() -> None:
    stored = histogram(1, 2, 3).to_tensors()
    assert set(stored) == {"counts"}
    again = ClassHistogram.from_tensors(stored)
    assert (again.num_classes, again.count, again.counts.tolist()) == (3, 6, [1, 2, 3])
    again.update(logits_of(torch.tensor([0]), 3))
    assert stored["counts"].tolist() == [1, 2, 3]


def test_covered_classes_hold_more_than_a_tenth_of_a_fair_share() -> None:
    """K = 4, N = 80: more than 2 images."""
    assert histogram(73, 3, 2, 2).covered() == 2
    assert histogram(20, 20, 20, 20).covered() == 4
    assert histogram(73, 3, 2, 2).covered(share=0.0) == 4
    assert histogram(73, 3, 2, 2).covered(share=0.5) == 1


def test_modes_are_classes_that_are_drawn_at_all() -> None:
    assert histogram(997, 1, 0, 2).drawn() == 3
    assert histogram(5, 5, 5, 5).drawn() == 4


def test_divergence_from_even_shares_is_the_formula_of_pacgan() -> None:
    shares = [0.5, 0.3, 0.2]  # KL(p || u), of the classes that are drawn
    expected = sum(share * math.log(share / 0.25) for share in shares)
    assert histogram(50, 30, 20, 0).divergence_from_even() == pytest.approx(expected, rel=1e-12)
    assert histogram(7, 7, 7).divergence_from_even() == 0
    assert histogram(0, 9, 0, 0).divergence_from_even() == pytest.approx(math.log(4))


def test_entropy_is_normalised() -> None:
    assert histogram(5, 5, 5, 5).entropy() == pytest.approx(1, rel=1e-12)
    assert histogram(0, 7, 0, 0).entropy() == 0
    assert math.copysign(1, histogram(0, 7, 0, 0).entropy()) == 1
    assert histogram(5, 5, 0, 0).entropy() == pytest.approx(0.5, rel=1e-12)
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3)
    assert histogram(3, 1, 0).entropy() == pytest.approx(expected, rel=1e-12)


def test_divergence_by_hand_with_its_one_pseudo_count() -> None:
    fake, real = histogram(4, 0), histogram(1, 2)
    p, q = (4.5 / 5, 0.5 / 5), (1.5 / 4, 2.5 / 4)
    expected = p[0] * math.log(p[0] / q[0]) + p[1] * math.log(p[1] / q[1])
    assert fake.divergence(real) == pytest.approx(expected, rel=1e-12)
    assert fake.divergence(real) != pytest.approx(real.divergence(fake), rel=0.01)  # the roles are not swapped


def test_divergence_is_zero_with_itself_finite_without_a_class_and_true_in_the_limit() -> None:
    assert histogram(3, 1, 0).divergence(histogram(3, 1, 0)) == 0
    assert 0 < histogram(5, 5).divergence(histogram(10, 0)) < math.inf
    fake, real = (ClassHistogram.from_tensors({"counts": torch.tensor(c) * 10**9}) for c in ([1, 3], [1, 1]))
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert fake.divergence(real) == pytest.approx(expected, rel=1e-7)


def test_what_cannot_be_counted_or_compared_is_refused() -> None:
    with pytest.raises(EvaluationError, match="at least 2 classes"):
        ClassHistogram(1)
    with pytest.raises(EvaluationError, match=r"\[B, 3\]"):
        ClassHistogram(3).update(torch.zeros(4, 2))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(EvaluationError, match="NaN or infinity"):
            ClassHistogram(3).update(torch.tensor([[0.0, bad, 0.0]]))
    for compare in (histogram(1, 2).merge, histogram(1, 2).divergence):
        with pytest.raises(EvaluationError, match="2 and 3 classes"):
            compare(histogram(1, 2, 3))
    for ask in (ClassHistogram(3).covered, ClassHistogram(3).entropy):
        with pytest.raises(EvaluationError, match="without images"):
            ask()
    with pytest.raises(EvaluationError, match="without images"):
        histogram(1, 2).divergence(ClassHistogram(2))
    for tensors in ({}, {"counts": torch.ones(3)}, {"counts": torch.tensor([1, -1])}, {"counts": torch.tensor(1)}):
        with pytest.raises(EvaluationError, match="build it again"):
            ClassHistogram.from_tensors(tensors)
