"""Adversarial losses of both players on scores of real and generated images: logits, higher = more real."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus

from papergan.game.terms import BothScores


@dataclass(frozen=True)
class Minimax:
    """The minimax loss: D minimises -E log D(x) - E log(1 - D(G(z))), G minimises E log(1 - D(G(z))).

    D(x) = sigmoid(score), so -log D = softplus(-score) and log(1 - D) = -softplus(score). The generator's side
    saturates where the discriminator is sure. Source: Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1;
    tahvili2025, eq. 1.
    """

    def discriminator(self, scores: BothScores) -> Tensor:
        return softplus(-scores.real).mean() + softplus(scores.fake).mean()

    def generator(self, scores: BothScores) -> Tensor:
        return -softplus(scores.fake).mean()


@dataclass(frozen=True)
class NonSaturating:
    """The non-saturating loss, binary cross-entropy on logits; G minimises -E log D(G(z)) = E softplus(-score).

    real_target: the discriminator's target for real images, below 1 for one-sided label smoothing (Salimans et al.
    2016, arXiv:1606.03498, section 3.4). fake_target: its target for generated ones, above 0 where both sides are
    smoothed (gan_optimisation_review, section II.E, calls this one-sided).
    Source: Goodfellow et al. 2014 (arXiv:1406.2661), section 3.
    """

    real_target: float = 1.0
    fake_target: float = 0.0

    def discriminator(self, scores: BothScores) -> Tensor:
        return _cross_entropy(scores.real, self.real_target) + _cross_entropy(scores.fake, self.fake_target)

    def generator(self, scores: BothScores) -> Tensor:
        return softplus(-scores.fake).mean()


def _cross_entropy(score: Tensor, target: float) -> Tensor:
    """-t log sigmoid(score) - (1 - t) log(1 - sigmoid(score)), the mean over the batch."""
    wrong = softplus(-score) if target == 1.0 else target * softplus(-score) + (1.0 - target) * softplus(score)
    return (softplus(score) if target == 0.0 else wrong).mean()


@dataclass(frozen=True)
class LeastSquares:
    """The least-squares loss.

    D minimises 1/2 E (score(x) - b)^2 + 1/2 E (score(G(z)) - a)^2; G minimises 1/2 E (score(G(z)) - c)^2.

    fake_target: a; real_target: b; aim: c. (-1, 1, 0) makes it Pearson's chi-squared divergence (its section 3.2.1).
    half: the generator's factor 1/2, which gan_optimisation_review, eq. 4, leaves out. Scores are unbounded.
    Source: Mao et al. 2017 (arXiv:1611.04076), eq. 2; gan_optimisation_review, eq. 4 (D's z there: from p_x).
    """

    fake_target: float = 0.0
    real_target: float = 1.0
    aim: float = 1.0
    half: bool = True

    def discriminator(self, scores: BothScores) -> Tensor:
        real, fake = (scores.real - self.real_target).square(), (scores.fake - self.fake_target).square()
        return 0.5 * real.mean() + 0.5 * fake.mean()

    def generator(self, scores: BothScores) -> Tensor:
        return (0.5 if self.half else 1.0) * (scores.fake - self.aim).square().mean()


@dataclass(frozen=True)
class Wasserstein:
    """The Wasserstein loss: the critic minimises E f(G(z)) - E f(x); G minimises -E f(G(z)).

    Scores are unbounded. Source: Arjovsky et al. 2017 (arXiv:1701.07875), eq. 2 and algorithm 1.
    """

    def discriminator(self, scores: BothScores) -> Tensor:
        return scores.fake.mean() - scores.real.mean()

    def generator(self, scores: BothScores) -> Tensor:
        return -scores.fake.mean()


@dataclass(frozen=True)
class Hinge:
    """The hinge loss: D minimises E max(0, 1 - score(x)) + E max(0, 1 + score(G(z))); G minimises -E score(G(z)).

    Source: Lim and Ye 2017 (arXiv:1705.02894); Miyato et al. 2018 (arXiv:1802.05957), eqs. 16 and 17;
    gan_optimisation_review, eq. 5, for D's side; it gives none for G.
    """

    def discriminator(self, scores: BothScores) -> Tensor:
        return relu(1.0 - scores.real).mean() + relu(1.0 + scores.fake).mean()

    def generator(self, scores: BothScores) -> Tensor:
        return -scores.fake.mean()


@dataclass(frozen=True)
class RelativisticPairing:
    """The relativistic pairing loss (RpGAN) of the i-th real and the i-th generated score.

    D minimises E softplus(-(score(x) - score(G(z)))); G minimises E softplus(score(x) - score(G(z))).
    The batches must be of the same size. Source: Jolicoeur-Martineau 2018, arXiv:1807.00734; Huang et al. 2024 (R3GAN),
    arXiv:2501.05441, eq. 2, f(t) = -log(1 + exp(-t)).
    """

    def discriminator(self, scores: BothScores) -> Tensor:
        return softplus(scores.fake - scores.real).mean()

    def generator(self, scores: BothScores) -> Tensor:
        return softplus(scores.real - scores.fake).mean()


@dataclass(frozen=True)
class SwappedSides:
    """Cross-entropy with swapped labels for a generating player on which both sides depend.

    D as in NonSaturating; G minimises E softplus(score(real side)) + E softplus(-score(generated side)).
    Source: Dumoulin et al. 2017 (ALI, arXiv:1606.00704), algorithm 1.
    """

    def discriminator(self, scores: BothScores) -> Tensor:
        return NonSaturating().discriminator(scores)

    def generator(self, scores: BothScores) -> Tensor:
        return softplus(scores.real).mean() + softplus(-scores.fake).mean()


@dataclass(frozen=True)
class WeightedEnergies:
    """The loss of an energy-based GAN: D minimises E E(x) - share * E E(G(z)), E = -score; G minimises E E(G(z)).

    Source: Wang and Liu 2016 (SteinGAN, arXiv:1611.01722), section 4 and its code, share 0.3.
    """

    share: float = 0.3

    def discriminator(self, scores: BothScores) -> Tensor:
        return self.share * scores.fake.mean() - scores.real.mean()

    def generator(self, scores: BothScores) -> Tensor:
        return -scores.fake.mean()
