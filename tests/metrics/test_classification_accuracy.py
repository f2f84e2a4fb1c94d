"""The classifier that learns from generated images alone."""

from __future__ import annotations

import pytest
import torch

from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import EvaluationStopped
from papergan.metrics.conditional import classification_accuracy_score

CLASSES = ("dark", "bright")
LEARN = {"epochs": 4, "width": 4, "flip": False, "seed": 0}


def images(count: int, seed: int, classes: tuple[str, ...] = CLASSES) -> ImageSet:
    """Class 1 is brighter than class 0 by half of the range."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 100, (count, 1, 8, 8), generator=draw)
    return ImageSet("toy", (noise + 128 * labels[:, None, None, None]).to(torch.uint8), labels, classes)


def relabelled(some: ImageSet, labels: torch.Tensor) -> ImageSet:
    return ImageSet(some.name, some.images, labels, some.classes)


def test_what_is_taught_right_wrong_and_at_random() -> None:
    taught, test = images(500, 0), images(200, 1)
    assert classification_accuracy_score(taught, test, **LEARN) == 1.0
    assert classification_accuracy_score(relabelled(taught, 1 - taught.labels), test, **LEARN) == 0.0
    alone = relabelled(taught, torch.zeros_like(taught.labels))
    assert classification_accuracy_score(alone, test, **LEARN) == 0.5  # it never saw the other class


def test_other_classes_than_the_test_has_are_refused() -> None:
    with pytest.raises(EvaluationError, match="with the same classes"):
        classification_accuracy_score(images(100, 0), images(100, 1, ("a", "b")), **LEARN)


def test_it_can_be_stopped() -> None:
    with pytest.raises(EvaluationStopped):
        classification_accuracy_score(images(500, 0), images(100, 1), **LEARN, should_stop=lambda: True)
