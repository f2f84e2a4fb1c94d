"""Classification accuracy score: a classifier that learns from generated images alone, tested on real ones."""

from __future__ import annotations

from collections.abc import Callable

import torch

from papergan.data.images import ImageSet
from papergan.extractors.domain_progress import Resuming
from papergan.extractors.domain_training import train_domain_classifier


def classification_accuracy_score(
    generated: ImageSet,
    test: ImageSet,
    *,
    epochs: int,
    width: int,
    flip: bool,
    seed: int,
    device: torch.device | str = "cpu",
    should_stop: Callable[[], bool] | None = None,
) -> float:
    """CAS: the accuracy, 0..1, on real `test` images of a classifier of `generated` images with their given classes.

    It is as high as that of a classifier of as many real images only where images of every class are right, varied and
    of the real law: the measure of a conditional generator that no single class can hide from.
    The classifier and its training are those of `DomainClassifier`, of `width` in its stem, in the place of the
    paper's ResNet-50, so values hold for this classifier and this number of images.
    Raises EvaluationError where both have other classes or sizes, EvaluationStopped once `should_stop()` is true.
    Source: Ravuri and Vinyals 2019, arXiv:1905.10887, section 3.
    """
    classifier = train_domain_classifier(
        generated, test, epochs=epochs, widths=[width * factor for factor in (1, 2, 4, 8)], seed=seed, device=device,
        flip=flip, resuming=Resuming(should_stop=should_stop or (lambda: False)),
    )  # fmt: skip
    return float(classifier.metadata["test_accuracy"])
