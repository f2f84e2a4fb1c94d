"""The objectives of BEGAN: the balance k, the reconstruction loss, and learning-rate halving on stalls."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.game.game import Match
from papergan.game.schedules import Progress
from papergan.game.sharding import batch_mean
from papergan.game.step_context import StepContext
from papergan.game.terms import BothScores


class Equilibrium(nn.Module):
    """The balance k: k_{t+1} = clip(k_t + gain (gamma L(x) - L(G(z))), 0, 1), after every generator step; k_0 = 0.

    L is the mean reconstruction error, minus the mean score. L(x) is taken from the discriminator's last step and
    L(G(z)) from the generator's, with the discriminator's update between them. Its value is k; it also reports the
    measure of convergence M = L(x) + |gamma L(x) - L(G(z))|. Everything stays on the device, in float64.
    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), section 3.4; zaika2025, section 2.3 and its code.
    """

    on_device = True
    k: Tensor
    real: Tensor
    measure: Tensor

    def __init__(self, gamma: float = 0.5, gain: float = 0.001, match: Match | None = None) -> None:
        super().__init__()
        self.gamma, self.gain, self.match = gamma, gain, match or Match()
        for name in ("k", "real", "measure"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))

    def forward(self, progress: Progress) -> Tensor:
        """k, a float32 scalar."""
        return self.k.float()

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Keep L(x) after the discriminator's step; update k after the generator's."""
        if player == "discriminator":
            self.real.copy_(-batch_mean(context.discriminated_real(self.match).score.double()))
        elif player == "generator":
            balance = self.gamma * self.real + batch_mean(context.discriminated_fake(self.match).score.double())
            self.k.add_(self.gain * balance).clamp_(0.0, 1.0)
            self.measure.copy_(self.real + balance.abs())

    def report(self) -> dict[str, Tensor]:
        """The values of k and the measure of convergence."""
        return {"k": self.k.float(), "measure": self.measure.float()}


class HalvingWhenStalled(nn.Module):
    """A learning rate that halves whenever the measure of convergence stalls; a controller that stays on the device.

    M is averaged over `window` iterations at a time. Where that mean is at least `tolerance` times the previous one,
    the rate halves, down to `smallest`. It observes after its `balance`, so it comes later in a game's controllers.
    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), section 4.1, which does not define a stall.
    """

    on_device = True
    rate: Tensor
    total: Tensor
    before: Tensor
    seen: Tensor

    def __init__(
        self,
        balance: Equilibrium,
        rate: float,
        *,
        window: int = 10_000,
        tolerance: float = 0.9999,
        smallest: float = 1e-6,
    ) -> None:
        super().__init__()
        self.window, self.tolerance, self.smallest = window, tolerance, smallest
        self._balance = (balance,)  # a tuple, so that its buffers do not become this module's
        self.register_buffer("rate", torch.tensor(rate, dtype=torch.float32))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        self.register_buffer("before", torch.full((), torch.finfo(torch.float64).max, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, progress: Progress) -> Tensor:
        """The rate, a float32 scalar."""
        return self.rate

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Add M after the generator's step; compare the mean of the window when it is full."""
        if player != "generator":
            return
        self.total.add_(self._balance[0].measure)
        self.seen.add_(1)
        full, mean = self.seen >= self.window, self.total / self.window
        halved = torch.minimum(self.rate, (self.rate / 2).clamp(min=self.smallest))  # never raised
        self.rate.copy_(torch.where(full & (mean >= self.tolerance * self.before), halved, self.rate))
        self.before.copy_(torch.where(full, mean, self.before))
        self.total.mul_(~full)
        self.seen.mul_(~full)

    def report(self) -> dict[str, Tensor]:
        """The learning rate."""
        return {"rate": self.rate.clone()}


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The loss of BEGAN: D minimises L(x) - k L(G(z)), G minimises L(G(z)); L = -score, the reconstruction error.

    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), section 3.4.
    """

    balance: Equilibrium

    def discriminator(self, scores: BothScores) -> Tensor:
        return self.balance.k.float() * scores.fake.mean() - scores.real.mean()

    def generator(self, scores: BothScores) -> Tensor:
        return -scores.fake.mean()
