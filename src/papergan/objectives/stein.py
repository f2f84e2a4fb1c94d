"""SteinGAN: a generator loss along Stein variational gradients of the energy, and its learning-rate controller."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.game.game import Match
from papergan.game.schedules import Progress
from papergan.game.sharding import all_gather, batch_mean
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


def stein_direction(slope: Tensor, kernel: Tensor, repulsion: Tensor) -> Tensor:
    """The Stein variational gradient: phi_i = 1/n (sum_j k(x_j, x_i) slope_j + sum_j grad_{x_j} k(x_j, x_i)), [B, D].

    slope: grad log p at all n samples, [n, D]. kernel: [B, n]. repulsion: the second sum, [B, D].
    Source: Liu and Wang 2016, arXiv:1608.04471, eq. 8.
    """
    return (kernel @ slope + repulsion) / kernel.shape[1]


def bandwidth(squared: Tensor) -> Tensor:
    """The bandwidth h = median of squared distances [B, n] / log(n + 1), a scalar; at least 1e-6.

    Source: Liu and Wang 2016, arXiv:1608.04471, section 5.
    """
    return (squared.flatten().median() / math.log(squared.shape[1] + 1)).clamp_min(1e-6)


@dataclass(frozen=True)
class SteinGradient(Term):
    """-mean_B G(z) . phi(G(z)), phi a constant: the generator moves its samples along Stein variational gradients.

    log p(x) is the score, minus the energy. k(x, x') = exp(-|c(x) - c(x')|^2 / h) on codes c, the deepest features, and
    sum_j grad_{x_j} k(x_j, x_i) is taken as -grad_{x_i} sum_j k(x_i, x_j), equal if codes are the images themselves.
    Source: Wang and Liu 2016 (SteinGAN, arXiv:1611.01722), algorithm 1.
    """

    def __call__(self, context: StepContext) -> Tensor:
        fake = context.fake(self.match)
        direction = self._direction(context, fake.detach())
        return -(fake.flatten(1) * direction).sum(1).mean()

    def _direction(self, context: StepContext, images: Tensor) -> Tensor:
        here = images.clone().requires_grad_()
        with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
            verdict = context.discriminate(self.match, context.augmented(here))
            (slope,) = torch.autograd.grad(verdict.score.sum(), here, retain_graph=True)
            codes = verdict.features[-1].float().flatten(1)
            squared = (codes[:, None] - all_gather(codes.detach())[None]).square().sum(2)
            kernel = torch.exp(-squared / bandwidth(all_gather(squared.detach())))
            (towards,) = torch.autograd.grad(kernel.sum(), here)
            slopes = all_gather(slope.flatten(1))
            return stein_direction(slopes, kernel.detach(), -towards.flatten(1))


class SlowWhenAhead(nn.Module):
    """A learning rate: `slow` where real images have no more energy than generated ones, `fast` otherwise.

    Based on the energies in the discriminator's last step; a controller that stays on the device. Source: the code of
    Wang and Liu 2016 (SteinGAN, arXiv:1611.01722).
    """

    on_device = True
    rate: Tensor

    def __init__(self, fast: float, slow: float, match: Match | None = None) -> None:
        super().__init__()
        self.fast, self.slow, self.match = fast, slow, match or Match()
        self.register_buffer("rate", torch.tensor(fast))

    def forward(self, progress: Progress) -> Tensor:
        """The current rate, a float32 scalar."""
        return self.rate

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Compare mean energies after the discriminator's step."""
        if player == "discriminator":
            real, fake = (
                batch_mean(verdict(self.match).score)
                for verdict in (context.discriminated_real, context.discriminated_fake)
            )
            self.rate.copy_(torch.where(real >= fake, self.slow, self.fast))

    def report(self) -> dict[str, Tensor]:
        """The learning rate."""
        return {"rate": self.rate.clone()}
