"""A prior with codes, and the mutual information of codes and images, bounded by a discriminator that reads codes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from papergan.game.game import Match
from papergan.game.priors import Prior, Uniform, WithChoice
from papergan.game.schedules import Progress
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


class WithCategory(Prior, ABC):
    """The base class of priors with a categorical code in their latent, [B, Z]."""

    @abstractmethod
    def category(self, latents: Tensor) -> Tensor:
        """The code of these latents, one-hot [B, K]."""


class WithCodes(WithCategory):
    """Noise, a categorical and continuous codes in one latent: (z, one-hot of `categories`, `continuous` ~ U(-1, 1)).

    float32 [count, noise.latent_dim + categories + continuous]. Only z is truncated. Interpolation is linear,
    also between categories. Source: Chen et al. 2016 (InfoGAN, arXiv:1606.03657), sections 5 and 7.2.
    """

    def __init__(self, noise: Prior, categories: int, continuous: int) -> None:
        super().__init__(noise.latent_dim + categories + continuous)
        self.noise, self.categories, self.continuous = WithChoice(noise, categories), categories, continuous
        self.codes = Uniform(continuous)

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return (torch.cat([*self.noise(count, progress), *self.codes(count, progress)], dim=1),)

    def truncated(self, count: int, progress: Progress, threshold: float) -> tuple[Tensor, ...]:
        noise = self.noise.truncated(count, progress, threshold)
        return (torch.cat([*noise, *self.codes(count, progress)], dim=1),)

    def split(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noise [B, Z], the one-hot category [B, K] and the continuous codes [B, C] of latents [B, Z + K + C]."""
        noise, category, codes = torch.split(latents, [self.noise.latent_dim, self.categories, self.continuous], dim=1)
        return noise, category, codes

    def category(self, latents: Tensor) -> Tensor:
        """The categorical code, one-hot [B, K]."""
        return self.split(latents)[1]


@dataclass(frozen=True)
class CategoricalInformation(Term):
    """-L_I of the categorical code: E[-log Q(c | G(z, c))] - H(c), H(c) = log K; at least -log K. For both players.

    The prior is a `WithCategory`, and the discriminator's last features [B, K + ...] begin with K logits.
    Source: Chen et al. 2016 (InfoGAN, arXiv:1606.03657), eq. 5.
    """

    def __call__(self, context: StepContext) -> Tensor:
        prior = context.network(self.match.source)
        assert isinstance(prior, WithCategory)
        category = prior.category(context.latent(self.match)[0])
        read = context.discriminated_fake(self.match).features[-1].float()
        return cross_entropy(read[:, : category.shape[1]], category.argmax(1)) - math.log(category.shape[1])


@dataclass(frozen=True)
class ContinuousInformation(Term):
    """-L_I of the continuous codes: 1/2 sum_j E[(c_j - m_j)^2 - c_j^2], m the prediction of c. For both players.

    Q is N(m, 1), of fixed deviation, and H(c) is taken as the cross-entropy with N(0, 1), both as in the authors' code.
    The prior is a `WithCodes`, and the discriminator's last features [B, K + C] are K logits and m.
    Source: Chen et al. 2016 (InfoGAN, arXiv:1606.03657), eq. 5.
    """

    def __call__(self, context: StepContext) -> Tensor:
        category, codes = drawn_codes(context, self.match)
        read = context.discriminated_fake(self.match).features[-1].float()[:, category.shape[1] :]
        return 0.5 * ((codes - read).square() - codes.square()).sum(1).mean()


def drawn_codes(context: StepContext, match: Match) -> tuple[Tensor, Tensor]:
    """The one-hot category [B, K] and the continuous codes [B, C] that the prior of the match has drawn."""
    prior = context.network(match.source)
    assert isinstance(prior, WithCodes)
    _, category, codes = prior.split(context.latent(match)[0])
    return category, codes
