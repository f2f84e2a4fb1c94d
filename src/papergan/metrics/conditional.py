"""Metrics of a conditional generator: distances within classes, class accuracy, classifiers trained on its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.errors import EvaluationError
from papergan.extractors.domain_training import train_classifier_of_width
from papergan.metrics.arrays import Array, as_tensor
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance


def statistics_by_class(features: Array, labels: Tensor, num_classes: int) -> list[FeatureStatistics]:
    """Statistics of the features [N, D] of each of K classes; labels int64 [N].

    Raises EvaluationError where a class has fewer than two images, which have no covariance.
    """
    features = as_tensor(features, "features")
    counts = _counts(labels, len(features), num_classes)
    if int(counts.min()) < 2:
        raise EvaluationError(f"class {int(counts.argmin())} has {int(counts.min())} images, and 2 are needed")
    return [FeatureStatistics.of(features[(labels == c).to(features.device)]) for c in range(num_classes)]


def intra_class_distances(generated: Sequence[FeatureStatistics], real: Sequence[FeatureStatistics]) -> list[float]:
    """Frechet distance of generated from real images of each class; the mean of these K distances is the intra-FID.

    intra-FID = 1/K sum_c d^2(features of images generated for class c, features of real images of class c).
    Each distance is biased upwards by the few images of one class: compare equal counts only. It detects collapse
    within a class, and images of another class than the requested one; the FID of all classes together detects neither.
    generated, real: by class, see `statistics_by_class`. Raises EvaluationError as `frechet_distance`.
    Source: Miyato and Koyama 2018, arXiv:1802.05637, section 5.1.
    """
    return [frechet_distance(mine, theirs) for mine, theirs in zip(generated, real, strict=True)]


def class_accuracies(logits: Array, labels: Tensor, num_classes: int) -> Tensor:
    """Share of the images of each class that a classifier assigns to it, float64 [K]; NaN for a class without images.

    logits [N, K]: of the data set's classifier on generated images; labels int64 [N]: the requested classes. A
    classifier errs on real images too: compare with the value that real images have. One image per class, generated
    over and over, goes unnoticed.
    Raises EvaluationError for other shapes. Source: Odena et al. 2017, arXiv:1610.09585, section 4.2, with a classifier
    of the data set instead of Inception.
    """
    logits = as_tensor(logits, "logits")
    if logits.ndim != 2 or logits.shape[1] != num_classes:
        raise EvaluationError(f"logits must be [N, {num_classes}], got {tuple(logits.shape)}")
    counts = _counts(labels, len(logits), num_classes)
    right = labels[logits.argmax(1).cpu() == labels]
    return torch.bincount(right, minlength=num_classes).double() / counts


def class_accuracies_by_name(logits: Array, labels: Tensor, classes: Sequence[str], known: Sequence[str]) -> Tensor:
    """`class_accuracies` of a classifier that knows other classes as well, or in another order; float64 [K].

    labels: in `classes`, K names. known: the classifier's classes, the columns of its logits; an image that it assigns
    to one that is not in `classes` is wrong. Raises EvaluationError if a class is not known, and for other shapes.
    """
    missing = [name for name in classes if name not in known]
    if missing:
        raise EvaluationError(f"the classifier knows the classes {', '.join(known)}, and not {', '.join(missing)}")
    _counts(labels, len(labels), len(classes))
    places = torch.tensor([known.index(name) for name in classes])
    return class_accuracies(logits, places[labels], len(known))[places]


def _counts(labels: Tensor, count: int, num_classes: int) -> Tensor:
    """Images per class, int64 [K]."""
    if labels.shape != (count,) or (count and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes):
        raise EvaluationError(f"labels must be one for each of {count} images, in 0..{num_classes - 1}")
    return torch.bincount(labels, minlength=num_classes)


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
    """CAS: the accuracy, 0..1, on real `test` images of a classifier trained on `generated` images and their classes.

    It is as high as for a classifier trained on as many real images only if the images of every class are right, varied
    and distributed like real ones: a measure of a conditional generator that no single class can hide from.
    The classifier and its training are those of `DomainClassifier`, of `width` in its stem, instead of the
    paper's ResNet-50, so values hold for this classifier and this number of images.
    Raises EvaluationError where both differ in classes or sizes, EvaluationStopped once `should_stop()` is true.
    Source: Ravuri and Vinyals 2019, arXiv:1905.10887, section 3.
    """
    return _accuracy_after(generated, test, epochs, width, flip, seed, device, should_stop)


def naive_augmentation_score(
    real: ImageSet,
    test: ImageSet,
    *,
    generated: ImageSet | None = None,
    images: int,
    epochs: int,
    width: int,
    seed: int,
    flip: bool = False,
    device: torch.device | str = "cpu",
    should_stop: Callable[[], bool] | None = None,
) -> float:
    """NAS: the accuracy, 0..1, on real `test` images of a classifier trained on real and generated images.

    The classifier sees `images` images in each epoch: the generated ones once, and for the rest the real ones in turn.
    Without `generated` all are real, which is the baseline for NAS: for the same `images`, `epochs` and `seed` both
    take the same gradient steps with the same batch size. Augmentation helps if NAS is higher.
    flip: images are mirrored in every other epoch. They are shifted by up to 2 pixels in any case. The classifier is
    that of `classification_accuracy_score`; the paper's is a ResNet-50.
    Raises EvaluationError where both differ in classes or sizes, and where not every real image has a place, and
    EvaluationStopped once `should_stop()` is true.
    Source: Ravuri and Vinyals 2019, arXiv:1905.10887, which names the score; equal steps are our choice.
    """
    places = images - (0 if generated is None else len(generated))
    if places < len(real):
        raise EvaluationError(
            f"{len(real)} real images have {max(places, 0)} places beside generated ones; generate more, or a smaller "
            "share of all"
        )
    taught = real.taken(torch.arange(places) % len(real), real.name)
    if generated is not None:
        if generated.classes != real.classes or generated.spec != real.spec:
            raise EvaluationError(f"generated images must be of the kind of {real.name}, {real.spec} and its classes")
        pixels = torch.cat([taught.images, generated.images])
        taught = ImageSet(real.name, pixels, torch.cat([taught.labels, generated.labels]), real.classes)
    return _accuracy_after(taught, test, epochs, width, flip, seed, device, should_stop)


def _accuracy_after(
    taught: ImageSet, test: ImageSet, epochs: int, width: int, flip: bool, seed: int, device: torch.device | str,
    should_stop: Callable[[], bool] | None,
) -> float:  # fmt: skip
    """The test accuracy, 0..1, of a classifier of `taught` images."""
    classifier = train_classifier_of_width(
        taught, test, epochs=epochs, width=width, flip=flip, seed=seed, device=device, should_stop=should_stop
    )
    return float(classifier.metadata["test_accuracy"])
