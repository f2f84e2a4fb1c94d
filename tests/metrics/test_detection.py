"""Detectors of generated images: what they tell apart, and by which threshold."""

from __future__ import annotations

import pytest
import torch

from papergan.errors import EvaluationError, EvaluationStopped
from papergan.metrics.detection import Detection, detection, detector_scores, real_and_generated, train_detector
from papergan.metrics.discriminator import membership_auc, roc_auc

LEARN = {"epochs": 4, "width": 4, "seed": 0}


def images(count: int, seed: int, brightness: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return (torch.randint(0, 100, (count, 1, 8, 8), generator=draw) + brightness).to(torch.uint8)


def test_a_detector_finds_its_generator_and_takes_another_for_real() -> None:
    train = real_and_generated(images(400, 0), images(400, 1, 128), "train")
    test = real_and_generated(images(100, 2), images(100, 3, 128), "test")
    assert train.labels.bincount().tolist() == [400, 400]
    detector = train_detector(train, test, **LEARN)
    real = detector_scores(detector, images(100, 2))
    assert (real.shape, real.dtype) == ((100,), torch.float32)
    known = detection(real, detector_scores(detector, images(100, 3, 128)))
    assert (known.detected, known.auc) == (1.0, 1.0)
    assert known.accuracy == 1 - known.false_alarms / 2 > 0.95
    alike = detection(real, detector_scores(detector, images(100, 4)))
    assert alike.detected < 0.1
    assert alike.accuracy == pytest.approx(0.5, abs=0.05)
    assert alike.auc == pytest.approx(0.5, abs=0.15)


def test_the_area_needs_no_threshold_and_the_accuracy_has_one_at_zero() -> None:
    found = detection(torch.tensor([-3.0, -2.0, 1.0]), torch.tensor([-1.0, 2.0, 3.0, 4.0]))
    assert found == Detection(
        accuracy=pytest.approx((0.75 + 2 / 3) / 2), detected=0.75, false_alarms=pytest.approx(1 / 3), auc=11 / 12
    )
    shifted = detection(torch.tensor([-3.0, -2.0]), torch.tensor([-1.0, -0.5]))
    assert (shifted.accuracy, shifted.auc) == (0.5, 1.0)
    undecided = detection(torch.zeros(2), torch.zeros(3))  # is not above zero, so it counts as real
    assert (undecided.detected, undecided.false_alarms, undecided.auc) == (0.0, 0.0, 0.5)


def test_the_area_is_that_of_membership_inference() -> None:
    mine, theirs = torch.tensor([1.0, 2.0, 2.0]), torch.tensor([0.0, 2.0])
    assert roc_auc(mine, theirs) == membership_auc(mine, theirs) == 4 / 6
    assert roc_auc(theirs, mine) == 2 / 6


def test_what_is_not_finite_or_of_another_size_is_refused() -> None:
    with pytest.raises(EvaluationError, match="generated scores must be finite"):
        detection(torch.zeros(3), torch.tensor([torch.nan]))
    train = real_and_generated(images(20, 0), images(20, 1, 128), "train")
    detector = train_detector(train, train, **LEARN)
    with pytest.raises(EvaluationError, match="was trained on"):
        detector_scores(detector, torch.zeros(2, 1, 16, 16, dtype=torch.uint8))
    with pytest.raises(EvaluationStopped):
        train_detector(train, train, **LEARN, should_stop=lambda: True)
