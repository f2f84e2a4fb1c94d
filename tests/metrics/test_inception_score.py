from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.inception_score import inception_score, modified_inception_score


def one_hot(labels: Tensor, classes: int = 10, confidence: float = 1e4) -> Tensor:
    return torch.nn.functional.one_hot(labels, classes).float() * confidence


def entropy(*shares: float) -> float:
    return -sum(share * math.log(share) for share in shares)


def test_certain_and_balanced_is_the_number_of_classes_and_not_nan() -> None:
    score = inception_score(one_hot(torch.arange(1000) % 10), splits=1)
    assert score.mean == pytest.approx(10, rel=1e-12)
    assert score.log_mean == pytest.approx(math.log(10), rel=1e-12)
    assert score.std == 0


@pytest.mark.parametrize("logits", [one_hot(torch.zeros(100, dtype=torch.int64)), torch.zeros(100, 10)])
def test_one_class_or_no_idea_is_one(logits: Tensor) -> None:
    assert inception_score(logits, splits=4).mean == pytest.approx(1, abs=1e-12)


def test_three_of_ten_classes_is_three_and_unbalanced_is_the_exponential_of_the_entropy() -> None:
    assert inception_score(one_hot(torch.arange(300) % 3), splits=1).mean == pytest.approx(3, rel=1e-12)
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    assert inception_score(one_hot(labels), splits=1).mean == pytest.approx(math.exp(entropy(0.5, 0.3, 0.2)), rel=1e-12)


def test_uncertain_predictions_cost_their_entropy() -> None:
    """Two classes, balanced, each predicted with 0.9: exp(ln 2 - H(0.9, 0.1))."""
    logits = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64).log().repeat(50, 1)
    expected = math.exp(math.log(2) - entropy(0.9, 0.1))
    assert inception_score(logits, splits=1).mean == pytest.approx(expected, rel=1e-12)


def test_agrees_with_torch_fidelity_on_one_split() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * torch.randn(503, 20, generator=torch.Generator().manual_seed(1))
    theirs = reference.isc_features_to_metric(logits, splits=1, shuffle=False)
    assert inception_score(logits, splits=1).mean == pytest.approx(theirs["inception_score_mean"], rel=1e-12)


def test_splits_and_their_deviation_agree_with_torch_fidelity_on_the_same_order() -> None:
    reference = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * torch.randn(103, 5, generator=torch.Generator().manual_seed(2))
    order = torch.randperm(103, generator=torch.Generator().manual_seed(7))
    theirs = reference.isc_features_to_metric(logits[order], splits=10, shuffle=False)
    ours = inception_score(logits, splits=10, seed=7)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-12)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-9)  # ddof 0


def test_the_logarithmic_score_is_the_mean_over_splits_not_its_logarithm() -> None:
    logits = one_hot(torch.tensor([0, 0, 0, 1]), 2)
    score = inception_score(logits, splits=2)  # in either order: one part of one class, one of two
    assert (score.mean, score.std) == (pytest.approx((1 + 2) / 2), pytest.approx((2 - 1) / 2))
    assert score.log_mean == pytest.approx(math.log(2) / 2)


def test_the_shuffle_is_seeded_and_protects_ordered_sets() -> None:
    ordered = one_hot(torch.arange(1000) // 100)
    state = torch.get_rng_state()
    assert inception_score(ordered, seed=1) == inception_score(ordered, seed=1)
    assert inception_score(ordered, seed=1).mean != inception_score(ordered, seed=2).mean
    assert inception_score(ordered).mean > 8  # without a shuffle every split would hold one class and score 1
    assert torch.equal(state, torch.get_rng_state())


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(EvaluationError, match="10 splits"):
        inception_score(torch.zeros(9, 3), splits=10)
    with pytest.raises(EvaluationError, match="splits"):
        inception_score(torch.zeros(9, 3), splits=0)
    with pytest.raises(EvaluationError, match="splits"):
        inception_score(torch.zeros(9), splits=1)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(EvaluationError, match="not finite"):
            inception_score(torch.full((9, 3), bad), splits=1)


def by_pairs(logits: Tensor) -> float:
    """The mean over the predicted classes of exp(mean KL over all pairs), written out."""
    probabilities = logits.double().softmax(1)
    scores = []
    for label in sorted(set(logits.argmax(1).tolist())):
        rows = probabilities[logits.argmax(1) == label].tolist()
        divergences = [
            sum(p * math.log(p / q) for p, q in zip(first, second, strict=True)) for first in rows for second in rows
        ]
        scores.append(math.exp(sum(divergences) / len(divergences)))
    return sum(scores) / len(scores)


def test_modified_score_agrees_with_the_double_loop_over_pairs() -> None:
    logits = 2 * torch.randn(60, 6, generator=torch.Generator().manual_seed(3))
    logits[:, 5] -= 100  # a class that never occurs
    assert modified_inception_score(logits) == pytest.approx(by_pairs(logits), rel=1e-12)
    assert modified_inception_score(logits) > 1.5


def test_modified_score_of_two_predictions_by_hand() -> None:
    """p = (0.9, 0.1) and q = (0.6, 0.4), same class: of the four pairs two are equal."""
    p, q = (0.9, 0.1), (0.6, 0.4)
    one_way, other_way = (sum(a * math.log(a / b) for a, b in zip(x, y, strict=True)) for x, y in ((p, q), (q, p)))
    logits = torch.tensor([p, q], dtype=torch.float64).log()
    assert modified_inception_score(logits) == pytest.approx(math.exp((one_way + other_way) / 4), rel=1e-12)


@pytest.mark.parametrize("logits", [one_hot(torch.arange(50) % 7), torch.zeros(100, 10), torch.ones(1, 10)])
def test_modified_score_is_one_where_a_class_always_looks_the_same(logits: Tensor) -> None:
    assert modified_inception_score(logits) == pytest.approx(1, abs=1e-12)


def test_modified_score_averages_the_classes_that_occur_not_their_images() -> None:
    """One class of 2 with the score s, one of 50 identical images with 1: (s + 1) / 2."""
    varied = torch.tensor([[3.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    same = torch.tensor([[0.0, 2.0, 0.0]]).expand(50, 3)
    expected = (modified_inception_score(varied) + 1) / 2
    assert modified_inception_score(torch.cat([varied, same])) == pytest.approx(expected, rel=1e-12)


def test_modified_score_does_not_care_how_often_images_repeat_or_in_which_order() -> None:
    logits = torch.randn(40, 4, generator=torch.Generator().manual_seed(4))
    found = modified_inception_score(logits)
    assert modified_inception_score(logits.flip(0).repeat(3, 1)) == pytest.approx(found, rel=1e-12)


def test_modified_score_refuses_what_has_none() -> None:
    for shape in ((0, 3), (3, 0), (4,)):
        with pytest.raises(EvaluationError, match=r"\[N, K\]"):
            modified_inception_score(torch.zeros(shape))
    apart = torch.tensor([[1e4, 1e4 - 1e-3, 0.0], [1e4, 0.0, 0.0]])  # KL of about 2500 nats
    for bad in (torch.full((9, 3), float("nan")), torch.full((9, 3), float("inf")), apart):
        with pytest.raises(EvaluationError, match="not finite or too far apart"):
            modified_inception_score(bad)


def test_agrees_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.inception")

    class Logits(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

    logits = 3 * torch.randn(500, 7, generator=torch.Generator().manual_seed(5))
    metric = image.InceptionScore(feature=Logits(), splits=1)
    metric.update(logits[:, None, None, :])
    assert inception_score(logits, splits=1).mean == pytest.approx(float(metric.compute()[0]), rel=1e-5)
