"""Scores of a conditional generator: what its images are within each class that was asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from torch import Tensor

from papergan.errors import EvaluationError
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import Reference
from papergan.extractors.feature_extractor import Features
from papergan.metrics.conditional import class_accuracies, intra_class_distances, statistics_by_class
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.random_subsets import random_rows
from papergan.metrics.registry import of_class

logger = logging.getLogger(__name__)


def score_classes(
    features: Features,
    labels: Tensor,
    reference: Reference,
    real: Callable[[], Sequence[FeatureStatistics]],
    num_classes: int,
    rules: EvaluationRules,
) -> dict[str, float]:
    """`class_accuracy` where the extractor knows the classes, `intra_fid` where the rules ask for it, by one extractor.

    With the distances also both values of every class. labels: int64 [N], the classes that were asked for. real: gives
    the statistics of the real images of each class, asked for only where they are needed.
    A class with fewer than two images leaves the distances out, and a line says so.
    """
    scores: dict[str, float] = {}
    by_class: dict[str, list[float]] = {}
    if reference.extractor.class_names:
        accuracies = class_accuracies(features.logits, labels, num_classes)
        counts = labels.bincount(minlength=num_classes)
        scores["class_accuracy"] = float((accuracies * counts)[counts > 0].sum() / counts.sum())
        by_class["class_accuracy"] = accuracies.tolist()
    if not rules.class_samples:
        return {f"{reference.extractor.metric_prefix}{name}": value for name, value in scores.items()}
    rows = random_rows(len(labels), rules.class_samples, rules.seed, "classes")
    try:
        generated = statistics_by_class(features.features[rows], labels[rows], num_classes)
        distances = intra_class_distances(generated, real())
    except EvaluationError as error:
        logger.warning("left out: %sintra_fid: %s", reference.extractor.metric_prefix, error)
    else:
        scores["intra_fid"] = sum(distances) / num_classes
        by_class["intra_fid"] = distances
    scores |= {
        of_class(name, label): value
        for name, values in by_class.items()
        for label, value in enumerate(values)
        if value == value  # a class that was never drawn has no accuracy
    }
    return {f"{reference.extractor.metric_prefix}{name}": value for name, value in scores.items()}
