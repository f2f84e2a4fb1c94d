"""Scores of generated sounds, from the features and logits of a classifier of the real ones."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.classes import class_counts, class_entropy
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_distance
from papergan.metrics.inception_score import inception_score
from papergan.sound.classifier import SoundClassifier, features_and_logits
from papergan.sound.sounds import SoundSet

LEAST_SHARE: Final = 0.01  # of the sounds; a class with at least this share counts as covered


def sound_scores(
    classifier: SoundClassifier, generated: Tensor, real: SoundSet, known: tuple[Tensor, Tensor] | None = None
) -> dict[str, float]:
    """Scores of generated sounds, int16 [N, L] with N >= 2, compared with real ones of the same rate and length.

    inception_score: exp(E KL(p(y|x) || p(y))) over all N at once, 1..K; inception_score_real: of the real sounds, which
    no generator is expected to exceed. frechet: the squared Frechet distance of the features, biased upwards by about
    1 / N: compare equal N only. entropy_of_classes: of the predicted classes, 0..ln K nats.
    classes_drawn: the number of classes that at least 1 % of the sounds are assigned to.
    known: what `features_and_logits` returned for the real sounds, if available.
    Raises EvaluationError for sounds of another type, length or rate, and for fewer than two.
    Source: Donahue et al. 2019 (WaveGAN), arXiv:1802.04208, section 6, for an Inception Score of a classifier of
    spectrograms; the others are this project's choice.
    """
    if generated.dtype != torch.int16 or generated.dim() != 2 or generated.shape[1] != real.length:
        raise EvaluationError(
            f"generated sounds must be int16 [N, {real.length}], got {generated.dtype} {tuple(generated.shape)}"
        )
    if real.rate != classifier.rate:
        raise EvaluationError(f"{real.name} has {real.rate} Hz, the classifier was trained at {classifier.rate} Hz")
    features, logits = features_and_logits(classifier, generated)
    real_features, real_logits = known or features_and_logits(classifier, real.samples)
    counts = class_counts(logits)
    return {
        "inception_score": inception_score(logits, splits=1).mean,
        "inception_score_real": inception_score(real_logits, splits=1).mean,
        "frechet": frechet_distance(FeatureStatistics.of(features), FeatureStatistics.of(real_features)),
        "entropy_of_classes": class_entropy(counts) * math.log(len(counts)),
        "classes_drawn": float((counts >= LEAST_SHARE * len(generated)).sum()),
    }
