"""Membership inference by the discriminator's scores: whether they separate training images from held-out ones."""

from __future__ import annotations

import torch

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor


def membership_auc(members: Array, others: Array) -> float:
    """Area under the ROC curve of "a higher score means it was trained on", 0..1; 0.5 is chance.

    AUC = P[score of a member > score of another] + 1/2 P[equal] = U / (N M), Mann-Whitney's U from ranks, exactly.
    members [N]: the discriminator's scores on images it was trained on; others [M]: on real images held out from
    training, same source and same preparation, without augmentation. Any increasing map of the scores (logits,
    probabilities, a critic's drift) leaves it as it is. It is what a white-box attacker reaches who ranks by score;
    near 0.5 rules out this attack, not others, and says nothing about what the generator copies.
    purwono2025 (ethics) warns that a GAN may remember its training data and leak it; this is one way to measure it.
    Raises EvaluationError for scores that are empty, not one per image, or not finite.
    Source: Hayes et al. 2019 (LOGAN), arXiv:1705.07663, the white-box attack; Mann and Whitney 1947 for U.
    """
    members, others = as_tensor(members, "members' scores"), as_tensor(others, "others' scores")
    for name, scores in (("members'", members), ("others'", others)):
        if scores.ndim != 1 or not len(scores) or not bool(scores.isfinite().all()):
            raise EvaluationError(f"{name} scores must be finite, one per image [N], got shape {tuple(scores.shape)}")
    ranked = others.to(members.device).double().sort().values
    below = torch.searchsorted(ranked, members.double(), right=False).sum()
    not_above = torch.searchsorted(ranked, members.double(), right=True).sum()
    return int(below + not_above) / (2 * len(members) * len(others))  # whole numbers until here: ties cost nothing
