"""The classifiers that learn from generated images, alone and beside real ones."""

from __future__ import annotations

import pytest
import torch

from papergan.data.images import ImageSet
from papergan.errors import EvaluationError, EvaluationStopped
from papergan.extractors import domain_training
from papergan.metrics.conditional import classification_accuracy_score, naive_augmentation_score
from papergan.weights import Weights

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


AUGMENT = {"epochs": 4, "width": 4, "seed": 0}


def test_generated_images_help_where_they_are_right_and_the_real_ones_say_nothing() -> None:
    real, test = images(10, 0), images(200, 1)
    one_class = relabelled(real, torch.zeros_like(real.labels))
    taught = images(900, 2)
    assert naive_augmentation_score(one_class, test, images=1000, **AUGMENT) == 0.5
    assert naive_augmentation_score(one_class, test, generated=taught, images=1000, **AUGMENT) > 0.9
    wrong = relabelled(taught, 1 - taught.labels)
    assert naive_augmentation_score(real, test, generated=wrong, images=1000, **AUGMENT) < 0.5
    assert naive_augmentation_score(real, test, images=1000, **AUGMENT) == 1.0


def test_every_classifier_sees_as_many_images_and_every_real_one_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[ImageSet, dict[str, object]]] = []

    def train(taught: ImageSet, test: ImageSet, **how: object) -> Weights:
        seen.append((taught, how))
        return Weights({}, {"test_accuracy": "0.5"})

    monkeypatch.setattr(domain_training, "train_domain_classifier", train)
    real, test, generated = images(10, 0), images(20, 1), images(30, 2)
    for given in (None, generated):
        naive_augmentation_score(real, test, generated=given, images=60, flip=given is None, **AUGMENT)
    (alone, first), (beside, second) = seen
    assert len(alone) == len(beside) == 60
    assert torch.equal(alone.images, real.images.repeat(6, 1, 1, 1))
    assert torch.equal(beside.images, torch.cat([real.images.repeat(3, 1, 1, 1), generated.images]))
    assert torch.equal(beside.labels, torch.cat([real.labels.repeat(3), generated.labels]))
    assert (first["flip"], second["flip"]) == (True, False)
    assert {name: first[name] for name in ("epochs", "widths", "seed")} == {
        name: second[name] for name in ("epochs", "widths", "seed")
    }


def test_real_images_without_a_place_and_images_of_another_kind_are_refused() -> None:
    real, test = images(10, 0), images(20, 1)
    with pytest.raises(EvaluationError, match=r"^10 real images have 9 places beside generated ones"):
        naive_augmentation_score(real, test, generated=images(30, 2), images=39, **AUGMENT)
    with pytest.raises(EvaluationError, match="must be of the kind of toy"):
        naive_augmentation_score(real, test, generated=images(30, 2, ("a", "b")), images=60, **AUGMENT)


def test_augmentation_can_be_stopped() -> None:
    with pytest.raises(EvaluationStopped):
        naive_augmentation_score(images(10, 0), images(20, 1), images=500, **AUGMENT, should_stop=lambda: True)
