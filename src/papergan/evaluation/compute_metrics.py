"""Scores computed from the features of samples and of the reference; for conditional generators also by class."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

from papergan.data.stacked_images import single_classes
from papergan.errors import EvaluationError
from papergan.evaluation.protocol import EvaluationRules
from papergan.evaluation.reference import Reference
from papergan.extractors.feature_extractor import Features, stop_if_requested
from papergan.metrics.classes import (
    class_counts,
    class_divergence,
    class_entropy,
    classes_covered,
    divergence_from_even,
)
from papergan.metrics.conditional import class_accuracies_by_name, intra_class_distances, statistics_by_class
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_deviation, frechet_distance
from papergan.metrics.inception_score import inception_score, modified_inception_score
from papergan.metrics.kernel_distance import KernelDistance, kernel_distance, kernel_distance_deviation
from papergan.metrics.memorisation import memorisation
from papergan.metrics.nearest_neighbours import neighbourhoods
from papergan.metrics.random_subsets import random_rows
from papergan.metrics.registry import of_class

logger = logging.getLogger(__name__)

MetricValues = dict[str, float]
Group = Literal["fid", "kid", "deviations", "neighbours", "is", "copies"]
GROUPS: tuple[Group, ...] = get_args(Group)
SCORED_AS = 2  # part of the keys of cached scores; incremented when the value of a metric changes


def score_features(
    features: Features,
    reference: Reference,
    rules: EvaluationRules,
    device: torch.device | str = "cpu",
    should_stop: Callable[[], bool] | None = None,
    groups: Collection[Group] = GROUPS,
    statistics: FeatureStatistics | None = None,
) -> MetricValues:
    """Every score of samples by the features of one extractor, with its prefix; see METRICS for the names.

    groups: the metrics to compute. "fid", with its floor; "kid"; "deviations" of both, if the rules have a bootstrap;
    "neighbours", precision to two-sample accuracy; "is", with metrics of the data set's own classes; "copies" of
    training images, whichever split is the reference, if there are training and test images.
    statistics: of all the features, if already known.

    If a metric uses fewer samples than there are, these are drawn by the rules' seed, never the first ones.
    device: where to compute; all pairs of samples and real images are compared, which takes a GPU a moment.
    Raises EvaluationStopped, between two metrics, once `should_stop()` is true.
    """
    rules = rules.within(len(features.features), len(reference.real))
    rows, real = features.features.to(device), reference.real.features.features.to(device)
    scores = {"num_samples": float(rules.num_samples)}
    if "fid" in groups:
        scores |= _frechet_distance(statistics or FeatureStatistics.of(rows), reference)
    deviations = "deviations" in groups and rules.bootstrap > 0
    if "kid" in groups or deviations:
        kernel = kernel_distance(
            rows, real, subsets=rules.kid_subsets, subset_size=rules.kid_subset_size, seed=rules.seed
        )
        scores |= {"kid_mean": kernel.mean, "kid_std": kernel.std} if "kid" in groups else {}
        scores |= _deviations(rows, real, reference, kernel, rules, should_stop) if deviations else {}
    if "fid" in groups:
        scores |= _floor(rows, reference, rules, should_stop)
    if "neighbours" in groups:
        stop_if_requested(should_stop, "before the neighbourhoods")
        some = reference.real.some(rules.manifold_samples).features.to(device)
        mine = _random_subset(rows, rules.manifold_samples, rules, "neighbourhoods")
        scores |= asdict(neighbourhoods(mine, some))
    if "is" in groups and reference.extractor.has_logits:
        scores |= _inception_scores(features.logits, rules)
    if "is" in groups and reference.extractor.class_names:
        scores |= _classes(features.logits, reference)
    train, test = reference.train_and_test
    if "copies" in groups and rules.memorisation_samples and train is not None and test is not None:
        stop_if_requested(should_stop, "before the memorisation")
        unseen = test.some(rules.memorisation_samples).features.to(device)
        mine = _random_subset(rows, rules.memorisation_samples, rules, "memorisation")
        scores |= asdict(memorisation(mine, unseen, train.features.features.to(device)))
    return {f"{reference.extractor.metric_prefix}{name}": value for name, value in scores.items()}


def _random_subset(rows: Tensor, count: int, rules: EvaluationRules, purpose: str) -> Tensor:
    """`count` of the generated rows, drawn at random, on their device; all if there are no more."""
    if count >= len(rows):
        return rows
    return rows[random_rows(len(rows), count, rules.seed, purpose).to(rows.device)]


def _floor(
    features: Tensor, reference: Reference, rules: EvaluationRules, should_stop: Callable[[], bool] | None
) -> MetricValues:
    """The floor at this number of samples; with fewer held-out images, also the distance of a draw of their number."""
    floor, count = reference.floor_at(len(features))
    if floor is None:
        return {}
    scores = {"fid_floor": floor}
    if count < len(features):
        stop_if_requested(should_stop, "before the distance at the floor's count")
        some = FeatureStatistics.of(_random_subset(features, count, rules, "floor"))
        scores["fid_at_floor_count"] = frechet_distance(some, reference.real.statistics.to(some.mean.device))
    return scores


def _frechet_distance(statistics: FeatureStatistics, reference: Reference) -> MetricValues:
    if statistics.count <= statistics.dimension:
        _warn_of_bias(reference.extractor.metric_prefix, statistics.count, statistics.dimension)
    return {"fid": frechet_distance(statistics, reference.real.statistics.to(statistics.mean.device))}


@cache
def _warn_of_bias(prefix: str, count: int, dimension: int) -> None:
    """Warn once in a process, not at every evaluation."""
    logger.warning("%sfid of %d samples in %d dimensions is mostly bias; take more", prefix, count, dimension)


def _deviations(
    features: Tensor, real: Tensor, reference: Reference, kernel: KernelDistance, rules: EvaluationRules,
    should_stop: Callable[[], bool] | None,
) -> MetricValues:  # fmt: skip
    target = reference.real.statistics.to(features.device if features.device.type in ("cpu", "cuda") else "cpu")
    return {
        "fid_bootstrap": frechet_deviation(
            features, target, resamples=rules.bootstrap, seed=rules.seed, should_stop=should_stop
        ),
        "kid_bootstrap": kernel_distance_deviation(
            features, real, kernel=kernel, resamples=rules.bootstrap, seed=rules.seed
        ),
    }


def _inception_scores(logits: Tensor, rules: EvaluationRules) -> MetricValues:
    score = inception_score(logits, rules.inception_splits, rules.seed)
    scores = {"is_mean": score.mean, "is_std": score.std, "log_is": score.log_mean}
    try:
        scores["modified_is"] = modified_inception_score(logits)
    except EvaluationError as error:  # an early generator's logits can be too far apart for an exponential
        logger.warning("left out: %s", error)
    return scores


def _classes(logits: Tensor, reference: Reference) -> MetricValues:
    counts = class_counts(logits)
    scores = {
        "class_entropy": class_entropy(counts), "classes_covered": float(classes_covered(counts)),
        "class_divergence": class_divergence(counts, class_counts(reference.real.features.logits)),
    }  # fmt: skip
    if single_classes(reference.extractor.class_names):
        scores |= {"stacked_modes": float((counts > 0).sum()), "stacked_divergence": divergence_from_even(counts)}
    return scores


def score_classes(
    features: Features,
    labels: Tensor,
    reference: Reference,
    real: Callable[[], Sequence[FeatureStatistics]],
    classes: tuple[str, ...],
    rules: EvaluationRules,
) -> dict[str, float]:
    """`class_accuracy` if the extractor knows the classes, and `intra_fid` if the rules require it, by one extractor.

    With the latter, also both values for every class. labels: int64 [N], the classes that samples are conditioned on,
    as numbers of `classes`; the extractor may know more of them, and in another order. real: returns the statistics of
    the real images of each class, called only if needed.
    If a class has fewer than two images, the distances are left out with a warning.
    """
    scores: dict[str, float] = {}
    by_class: dict[str, list[float]] = {}
    num_classes, known = len(classes), reference.extractor.class_names
    if known:
        accuracies = class_accuracies_by_name(features.logits, labels, classes, known)
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
        if value == value  # a class without samples has no accuracy
    }
    return {f"{reference.extractor.metric_prefix}{name}": value for name, value in scores.items()}
