"""Metrics of the discriminator's scores: its accuracy, without assuming a threshold, and membership inference."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


@dataclass(frozen=True)
class DiscriminatorAccuracy:
    """Accuracy of a discriminator.

    at_zero, at_midpoint: balanced accuracies in 0..1, 0.5 = chance. gap: mean real score - mean fake score.
    """

    at_zero: float
    at_midpoint: float
    gap: float

    def as_metrics(self) -> dict[str, float]:
        """The values by the names that score cards and logs use."""
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
    real, fake = checked_scores(real_scores, "real scores"), checked_scores(fake_scores, "fake scores")
    middle = (float(real.mean()) + float(fake.mean())) / 2
    return DiscriminatorAccuracy(
        at_zero=_balanced(real, fake, 0.0),
        at_midpoint=_balanced(real, fake, middle),
        gap=float(real.mean()) - float(fake.mean()),
    )


def _balanced(real: Tensor, fake: Tensor, threshold: float) -> float:
    return (float((real > threshold).double().mean()) + float((fake < threshold).double().mean())) / 2


def membership_auc(members: Array, others: Array) -> float:
    """Area under the ROC curve of "a higher score means it was trained on", 0..1; 0.5 is chance.

    AUC = P[score of a member > score of a non-member] + 1/2 P[equal] = U / (N M), Mann-Whitney's U from ranks, exactly.
    members [N]: the discriminator's scores on images it was trained on; others [M]: on real images held out from
    training, same source and same preparation, without augmentation. Any increasing map of the scores (logits,
    probabilities, a critic's drift) leaves it as it is. It is what a white-box attacker who ranks by score achieves;
    near 0.5 rules out this attack, not others, and gives no information about what the generator copies.
    purwono2025 (section V.E) warns that a GAN may remember its training data and leak it; this is one way to measure
    it.
    Raises EvaluationError for scores that are empty, not one per image, or not finite.
    Source: Hayes et al. 2019 (LOGAN), arXiv:1705.07663, the white-box attack; Mann and Whitney 1947 for U.
    """
    return roc_auc(checked_scores(members, "members' scores"), checked_scores(others, "others' scores"))


def roc_auc(positives: Array, negatives: Array) -> float:
    """P[score of a positive > score of a negative] + 1/2 P[equal], 0..1, exactly: the area under the ROC curve.

    positives [N], negatives [M]. Raises EvaluationError for scores that are empty, not one per image, or not finite.
    Source: Mann and Whitney 1947, U / (N M) from ranks.
    """
    mine, theirs = checked_scores(positives, "scores of positives"), checked_scores(negatives, "scores of negatives")
    ranked = theirs.to(mine.device).sort().values
    below = torch.searchsorted(ranked, mine, right=False).sum()
    not_above = torch.searchsorted(ranked, mine, right=True).sum()
    return int(below + not_above) / (2 * len(mine) * len(theirs))  # integers up to here: ties are exact


def checked_scores(scores: Array, name: str) -> Tensor:
    """Scores [N] as float64. Raises EvaluationError unless they are finite, and one per image."""
    scores = as_tensor(scores, name)
    if scores.ndim != 1 or not len(scores) or not bool(scores.isfinite().all()):
        raise EvaluationError(f"{name} must be finite, one per image [N], got shape {tuple(scores.shape)}")
    return scores.double()
