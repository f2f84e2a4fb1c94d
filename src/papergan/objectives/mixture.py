"""MIX+GAN: a mixture of generators against a mixture of discriminators, with the payoff of every pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from papergan.errors import RecipeError
from papergan.game.game import DiscriminatorOutput
from papergan.game.priors import Prior, WithChoice
from papergan.game.sharding import first_row, per_image
from papergan.game.step_context import StepContext
from papergan.game.terms import Loss, Term


class Members(nn.Module):
    """The member networks of a mixture."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def __len__(self) -> int:
        return len(self.members)


class MixtureWeights(nn.Module):
    """The weights of a mixture: w = softmax(logits), [T]; a network of its own, without the members' constraints."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(count))

    def forward(self) -> Tensor:
        weights: Tensor = self.logits.softmax(0)
        return weights


class MixturePrior(WithChoice):
    """A prior that also draws the generator of each image, by the mixture's weights: (z, one-hot [count, T])."""

    def __init__(self, latents: Prior, count: int) -> None:
        super().__init__(latents, count)
        self.weights = MixtureWeights(count)

    def chosen(self, count: int) -> Tensor:
        """The members, int64 [count], by inverse transform sampling of the weights."""
        upper = self.weights().detach().cumsum(0)[:-1]
        u = per_image(lambda n: torch.rand(n, device=upper.device), count)
        member: Tensor = (u[:, None] >= upper).sum(1)
        return member


class MixtureGenerator(Members):
    """Latent [B, Z] and one-hot members [B, T] -> images [B, C, S, S].

    In evaluation mode each member generates only its own images; in training mode every member generates all of them,
    so that its BatchNorm sees a whole batch; so does an exported graph, whose shapes cannot depend on data.
    """

    def forward(self, latent: Tensor, chosen: Tensor) -> Tensor:
        if not (self.training or torch.compiler.is_exporting()):
            return self._made_once(latent, chosen.argmax(1))
        images = torch.stack([member(latent) for member in self.members], dim=1)
        made: Tensor = (images * chosen[:, :, None, None, None].to(images.dtype)).sum(1)
        return made

    def _made_once(self, latent: Tensor, chosen: Tensor) -> Tensor:
        by_member = chosen.argsort(stable=True)
        shares = torch.split(latent[by_member], chosen.bincount(minlength=len(self)).tolist())
        images = torch.cat([make(share) for make, share in zip(self.members, shares, strict=True) if len(share)])
        return images[by_member.argsort()]


class MixtureDiscriminator(Members):
    """Images [B, C, S, S] -> the members' mean score [B], with the features of the first."""

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        verdicts = [member(images) for member in self.members]
        return DiscriminatorOutput(torch.stack([one.score for one in verdicts]).mean(0), verdicts[0].features)


@dataclass(frozen=True)
class MixturePayoff(Term):
    """sum_ij w_i w_j F_ij, F_ij the loss of generator i against discriminator j; for either player.

    Row n of the batch comes from generator n mod T; every discriminator scores the whole batch and the real images, so
    F_ij is estimated from B / T samples. Split over ranks, it is the same if T divides each rank's share.
    Source: Arora et al. 2017 (arXiv:1703.00573), eq. 4 and its section 5.
    """

    loss: Loss
    side: Literal["discriminator", "generator"]

    def __call__(self, context: StepContext) -> Tensor:
        generators, critics = context.network("generator"), context.network("discriminator")
        assert isinstance(generators, Members)
        assert isinstance(critics, Members)
        prior = context.network("prior")
        assert isinstance(prior, MixturePrior)
        latent, many = context.latent(self.match)[0], len(generators)
        if len(latent) < many:
            raise RecipeError(f"{many} generators cannot share a batch of {len(latent)}: raise training.batch_size")
        starts = [(one - first_row(len(latent))) % many for one in range(many)]
        latents = [latent[start::many] for start in starts]
        fakes = torch.cat([make(z).float() for make, z in zip(generators.members, latents, strict=True)])
        if context.game.augment is not None:  # in the batch's order, as its draws are by row
            rows = torch.arange(len(latent), device=fakes.device)
            order = torch.cat([rows[start::many] for start in starts])
            fakes = context.augmented(fakes[order.argsort()])[order]
        real, sizes = context.augmented_real(self.match), [len(z) for z in latents]
        payoff = torch.stack([self._row(critic, real, fakes, sizes) for critic in critics.members])
        with torch.autocast(payoff.device.type, enabled=False):  # weights learn from small differences of payoffs
            value: Tensor = prior.weights() @ payoff.T @ context.network("discriminator_weights")()
        return value

    def _row(self, critic: nn.Module, real: Tensor, fakes: Tensor, sizes: list[int]) -> Tensor:
        """The payoffs of this critic against all generators, [T]."""
        scores = critic(fakes).score.float().split(sizes)
        if self.side == "generator":
            return torch.stack([self.loss.generator(ComputedScores(one.new_zeros(1), one)) for one in scores])
        of_real = critic(real).score.float()
        return torch.stack([self.loss.discriminator(ComputedScores(of_real, one)) for one in scores])


class ComputedScores(NamedTuple):
    """Precomputed scores of both sides."""

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class EvenWeights(Term):
    """-1/T sum_i log w_i of `network`: keeps a mixture's weights away from 0. Arora et al. 2017, section 5."""

    network: str

    def __call__(self, context: StepContext) -> Tensor:
        found = context.network(self.network)
        weights: Tensor = found.weights() if isinstance(found, MixturePrior) else found()
        uneven: Tensor = -weights.log().mean()
        return uneven
