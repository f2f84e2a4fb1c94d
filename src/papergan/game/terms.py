"""Terms: one equation of one paper each, a scalar for one player to minimise."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from papergan.game.game import Match
from papergan.game.knobs import Knob
from papergan.game.losses import Loss
from papergan.game.round import Round
from papergan.game.shard import batch_mean, everyone, per_image


@dataclass(frozen=True, kw_only=True)
class Term(ABC):
    """One equation. It reads the round and owns no networks; weight * value is what the player minimises."""

    differentiates_inputs: ClassVar[bool] = False

    weight: Knob = 1.0
    match: Match = field(default_factory=Match)

    @property
    def name(self) -> str:
        """The name in reports: the class name in snake case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @abstractmethod
    def __call__(self, round: Round) -> Tensor:
        """The unweighted value, a float32 scalar."""


@dataclass(frozen=True)
class DiscriminatorLoss(Term):
    """The adversarial loss as the discriminator sees it."""

    loss: Loss

    def __call__(self, round: Round) -> Tensor:
        return self.loss.discriminator(round.scores(self.match))


@dataclass(frozen=True)
class GeneratorLoss(Term):
    """The adversarial loss as the generator sees it."""

    loss: Loss

    def __call__(self, round: Round) -> Tensor:
        return self.loss.generator(round.scores(self.match))


@dataclass(frozen=True)
class FeatureMatching(Term):
    """mean_d |mean_B f(x)_d - mean_B f(G(z))_d|, f the discriminator's deepest features, flattened; for the generator.

    The L1 form of Salimans et al. 2016 (arXiv:1606.03498), section 3.1, whose text has the squared L2 norm. The real
    side is a constant for the generator.
    """

    def __call__(self, round: Round) -> Tensor:
        real = batch_mean(round.judged_real(self.match).features[-1].float())
        fake = batch_mean(round.judged_fake(self.match).features[-1].float())
        return (real.detach() - fake).abs().mean()


@dataclass(frozen=True)
class Diversity(Term):
    """-mean |G(z) - G(z')|_1 / (|z - z'|_1 + 1e-5), z' the latent after z in the batch; for the generator.

    Means over pixels and over latent numbers. Images of different latents are pushed apart, so that few modes cost.
    Source: Mao et al. 2019 (mode seeking, arXiv:1903.05628), eq. 2, whose weight is 1; there it is a ratio to be
    maximised. Document 002, section II.E, names diversity regularisation and has no equation.
    """

    def __call__(self, round: Round) -> Tensor:
        (latent,) = round.latent(self.match)
        fake = round.fake(self.match)
        other = per_image(lambda n: torch.arange(n, device=fake.device).roll(1), len(fake))
        apart = (fake - everyone(fake)[other]).abs().flatten(1).mean(1)
        return -(apart / ((latent - everyone(latent)[other]).abs().mean(1) + 1e-5)).mean()


@dataclass(frozen=True)
class LatentConstraint(Term):
    """mean |E(G(z)) - z|, E the discriminator's encoder, whose code is its deepest features; for the discriminator.

    Code and latent have the same dimension. Source: Chang et al. 2018, Escaping from Collapsing Modes in a Constrained
    Space (BEGAN-CS); the mean of absolute differences as in its authors' code.
    """

    def __call__(self, round: Round) -> Tensor:
        (latent,) = round.latent(self.match)
        return (round.judged_fake(self.match).features[-1].float() - latent).abs().mean()


@dataclass(frozen=True)
class FeatureShrinkage(Term):
    """AdaptiveMix on real images: features of mixed images are pulled towards the same mix of the images' features.

    x~ = lambda x + (1 - lambda) x[pi], one lambda ~ Beta(alpha, alpha) per call, pi a permutation of the batch;
    value = 1 - mean_B cos(v(x~), stop_gradient(lambda v(x) + (1 - lambda) v(x)[pi] + noise_std * N(0, 1))), v the
    discriminator's deepest features, flattened; in [0, 2]. v(x) is the verdict that the adversarial loss used already,
    so the cost is one more pass. Mixing happens after augmentation.
    Source: Liu et al. 2023 (arXiv:2303.01559), as document 000 (section V.B) describes it: real pairs, discriminator
    only; `networks.mixing` has the form of the authors' code, where the logits are mixed as well.
    """

    alpha: float = 1.0
    noise_std: float = 0.05

    def __call__(self, round: Round) -> Tensor:
        shown = round.shown_real(self.match)
        features = round.judged_real(self.match).features[-1].float().flatten(1)
        order = per_image(lambda n: torch.randperm(n, device=shown.device), len(shown))
        share = beta(self.alpha, shown.device)
        mixed = round.judge(self.match, torch.lerp(everyone(shown)[order], shown, share.to(shown.dtype)))
        target = torch.lerp(everyone(features)[order], features, share).detach()
        target = target + self.noise_std * noise_like(target)
        return 1.0 - cosine_similarity(mixed.features[-1].float().flatten(1), target).mean()


def noise_like(rows: Tensor) -> Tensor:
    """N(0, 1) of the shape [B, D] of `rows`, drawn row by row."""
    return per_image(lambda n: torch.randn(n, rows.shape[1], dtype=rows.dtype, device=rows.device), len(rows))


def beta(alpha: float, device: torch.device) -> Tensor:
    """One draw of Beta(alpha, alpha), a scalar on the device; by the ratio of two gamma draws."""
    if alpha == 1.0:
        return torch.rand((), device=device)
    gammas = torch._standard_gamma(torch.full((2,), alpha, device=device))
    return gammas[0] / gammas.sum()


@dataclass(frozen=True)
class Extra(Term):
    """A scalar that the discriminator computed on the way, by its key in `DiscriminatorOutput.extras`.

    real, fake: on which verdicts; both are summed.
    """

    key: str
    real: bool = False
    fake: bool = False

    def __post_init__(self) -> None:
        if not (self.real or self.fake):
            raise ValueError(f"the term for extra {self.key!r} must read the real verdict, the fake one, or both")

    @property
    def name(self) -> str:
        return self.key

    def __call__(self, round: Round) -> Tensor:
        values = []
        if self.real:
            values.append(round.judged_real(self.match).extras[self.key])
        if self.fake:
            values.append(round.judged_fake(self.match).extras[self.key])
        return torch.stack(values).float().sum()
