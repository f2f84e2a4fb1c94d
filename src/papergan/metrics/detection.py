"""A detector of generated images: a classifier of real and generated ones, and its performance on any generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.extractors.domain_classifier import DomainExtractor
from papergan.extractors.domain_training import train_classifier_of_width
from papergan.metrics.arrays import Array
from papergan.metrics.discriminator import checked_scores, roc_auc
from papergan.weights import Weights

KINDS = ("real", "generated")
AT_ONCE = 500


def real_and_generated(real: Tensor, generated: Tensor, name: str) -> ImageSet:
    """Images of two classes, KINDS: uint8 [N, C, S, S] each -> [N + M, C, S, S]. name: of the set."""
    labels = torch.cat([torch.zeros(len(real), dtype=torch.int64), torch.ones(len(generated), dtype=torch.int64)])
    return ImageSet(name, torch.cat([real, generated]), labels, KINDS)


def train_detector(
    train: ImageSet,
    test: ImageSet,
    *,
    epochs: int,
    width: int,
    seed: int,
    flip: bool = False,
    device: torch.device | str = "cpu",
    should_stop: Callable[[], bool] | None = None,
) -> Weights:
    """Train a classifier on images of `real_and_generated`; unequal numbers of both kinds bias it towards one.

    The classifier and its training are those of `DomainClassifier`, `width` in its stem: shifts by up to 2 pixels, and
    flips if `flip` is set. Source: Wang et al. 2020, arXiv:1912.11035, with a smaller network instead of their
    ResNet-50 and without their blur and JPEG.
    Raises EvaluationError where both differ in size, EvaluationStopped once `should_stop()` is true.
    """
    return train_classifier_of_width(
        train, test, epochs=epochs, width=width, flip=flip, seed=seed, device=device, should_stop=should_stop
    )


def detector_scores(detector: Weights, images: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """The logit of "generated" minus that of "real", float32 [N], on the host, of uint8 [N, C, S, S]; 0 = undecided.

    Raises EvaluationError for images of another size than the detector was trained on.
    """
    extractor = DomainExtractor.from_weights(detector, device)
    logits = torch.cat([extractor(batch).logits.cpu() for batch in torch.split(images, AT_ONCE)])
    return logits[:, 1] - logits[:, 0]


@dataclass(frozen=True)
class Detection:
    """The performance of a detector on the images of one generator.

    accuracy: (detected + 1 - false_alarms) / 2, 0..1, 0.5 = chance. detected: share of the generated images that it
    classifies as generated; false_alarms: of the real ones. auc: the area under the ROC curve, over all thresholds.
    """

    accuracy: float
    detected: float
    false_alarms: float
    auc: float


def detection(real_scores: Array, generated_scores: Array) -> Detection:
    """The rates of a detector that classifies images with scores above 0 as generated.

    real_scores [N], generated_scores [M]: of images it was not trained on. An accuracy at chance with an AUC near 1
    means that the detector separates the two at another threshold than it has learned, as happens across generators.
    Raises EvaluationError for scores that are empty, not one per image, or not finite.
    """
    real, generated = checked_scores(real_scores, "real scores"), checked_scores(generated_scores, "generated scores")
    detected, false_alarms = (float((scores > 0).double().mean()) for scores in (generated, real))
    return Detection(
        accuracy=(detected + 1 - false_alarms) / 2, detected=detected, false_alarms=false_alarms,
        auc=roc_auc(generated, real),
    )  # fmt: skip
