"""RealnessGAN: the loss for scores that are distributions over outcomes, compared with anchor distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from papergan.game.priors import one_hot
from papergan.game.terms import BothScores

DRAWS = 1000


def anchors(outcomes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Anchor distributions (of fakes, of reals), [outcomes] each: histograms of 1 000 draws of N(0, 0.1) and U(-1, 1).

    Draws, bins and numbers are those of the authors' code. Since the bins span the draws, the deviation 0.1 has no
    effect: the anchor of fakes is a bell over all outcomes.
    """
    normal = 0.1 * torch.randn(DRAWS, device=device)
    uniform = torch.rand(DRAWS, device=device) * 2.0 - 1.0
    return histogram(normal, outcomes), histogram(uniform, outcomes)


def histogram(draws: Tensor, outcomes: int) -> Tensor:
    """The normalised histogram of the draws [N] in equal bins from their minimum to their maximum, [outcomes]."""
    least, greatest = draws.aminmax()
    place = ((draws - least) / (greatest - least) * outcomes).floor().clamp_max(outcomes - 1)
    return one_hot(place, outcomes).mean(0)


def skewed(anchor: Tensor, by: float) -> Tensor:
    """The anchor with its atoms shifted by `by`, clamped to [-1, 1] and distributed to the two nearest atoms.

    anchor: [outcomes], on atoms evenly spaced from -1 to 1. Bellemare et al. 2017, arXiv:1707.06887, algorithm 1, as
    the authors of RealnessGAN use it.
    """
    outcomes = len(anchor)
    atoms = torch.linspace(-1.0, 1.0, outcomes, device=anchor.device)
    position = ((atoms + by).clamp(-1.0, 1.0) + 1.0) / 2.0 * (outcomes - 1)  # in steps between atoms
    steps = torch.arange(outcomes, device=anchor.device)
    shares = (1.0 - (position[:, None] - steps).abs()).clamp_min(0.0)  # [from, to]
    with torch.autocast(anchor.device.type, enabled=False):
        return anchor @ shares


@dataclass(frozen=True)
class Realness:
    """The loss on p(x) = softmax(score), [B, outcomes], with anchors A1 for real and A0 for generated images.

    D minimises H(A1 up, p(x)) + H(A0 down, p(G(z))), up and down: skewed by +1 and -1, H the cross-entropy.
    G minimises by objective 1: -H(A0 down, p(G(z))); 2: that + H(p(x), p(G(z))); 3: that of 1 + H(A1 up, p(G(z))).
    For objective 2, p(x) is a constant for the generator. The paper has KL divergences, which differ by terms that are
    constant for the minimising player. Source: Xiangli et al. 2020 (arXiv:2002.05512), eqs. 3, 4 and 18 to 20; skewing
    and anchors from its code.
    """

    vector_scores: ClassVar[bool] = True

    objective: Literal[1, 2, 3] = 2

    def discriminator(self, scores: BothScores) -> Tensor:
        fake, real = anchors(scores.fake.shape[1], scores.fake.device)
        return cross_entropy(skewed(real, 1.0), scores.real) + cross_entropy(skewed(fake, -1.0), scores.fake)

    def generator(self, scores: BothScores) -> Tensor:
        fake, real = anchors(scores.fake.shape[1], scores.fake.device)
        away = -cross_entropy(skewed(fake, -1.0), scores.fake)
        if self.objective == 1:
            return away
        if self.objective == 3:
            return away + cross_entropy(skewed(real, 1.0), scores.fake)
        return away + cross_entropy(scores.real.detach().softmax(1), scores.fake)


def cross_entropy(target: Tensor, logits: Tensor) -> Tensor:
    """Mean over the batch of -sum_k target_k log softmax(logits)_k. target: [K] or [B, K]."""
    return -(target * logits.log_softmax(1)).sum(1).mean()
