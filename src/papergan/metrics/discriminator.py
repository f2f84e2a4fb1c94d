"""Accuracy of the discriminator, without assuming a threshold of its scores."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


@dataclass(frozen=True)
class DiscriminatorAccuracy:
    """at_zero, at_midpoint: balanced accuracies in 0..1, 0.5 = chance. gap: mean real score - mean fake score."""

    at_zero: float
    at_midpoint: float
    gap: float

    def as_metrics(self) -> dict[str, float]:
        """The names under which score cards and logs hold them."""
        return {
            "discriminator_accuracy_zero": self.at_zero,
            "discriminator_accuracy_midpoint": self.at_midpoint,
            "discriminator_gap": self.gap,
        }


def discriminator_accuracy(real_scores: Array, fake_scores: Array) -> DiscriminatorAccuracy:
    """acc(t) = 1/2 (P[real > t] + P[fake < t]) at t = 0 and at t = the midpoint of the two mean scores.

    real_scores [N], fake_scores [M]: scores in evaluation mode on images without augmentation, higher = more real.
    t = 0 is the decision of a logistic or hinge discriminator. For a Wasserstein critic it is nearly meaningless:
    its loss E[D(fake)] - E[D(real)] does not change when a constant is added to every score, so nothing holds them
    around zero, and a critic that has drifted to either side shows 50 % while it separates the two perfectly. The
    "50-60 %, hence balanced" of tahvili2025 (section VII) may be that artefact; read the midpoint and the gap there.
    Raises EvaluationError for scores that are empty, not one per image, or not finite.
    Source: design of this project; tahvili2025 names the metric (section VI) without a threshold.
    """
    real_scores, fake_scores = as_tensor(real_scores, "real scores"), as_tensor(fake_scores, "fake scores")
    for name, scores in (("real", real_scores), ("fake", fake_scores)):
        if scores.ndim != 1 or not len(scores) or not bool(scores.isfinite().all()):
            raise EvaluationError(f"{name} scores must be finite, one per image [N], got shape {tuple(scores.shape)}")
    real, fake = real_scores.double(), fake_scores.double()
    middle = (float(real.mean()) + float(fake.mean())) / 2
    return DiscriminatorAccuracy(
        at_zero=_balanced(real, fake, 0.0),
        at_midpoint=_balanced(real, fake, middle),
        gap=float(real.mean()) - float(fake.mean()),
    )


def _balanced(real: Tensor, fake: Tensor, threshold: float) -> float:
    return (float((real > threshold).double().mean()) + float((fake < threshold).double().mean())) / 2
