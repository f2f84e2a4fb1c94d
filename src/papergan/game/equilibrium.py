"""BEGAN's balance: how much the fakes count for an autoencoder that plays the discriminator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from papergan.game.game import Match
from papergan.game.knobs import Progress
from papergan.game.losses import BothScores
from papergan.game.round import Round
from papergan.game.shard import batch_mean


class Equilibrium(nn.Module):
    """k_{t+1} = clip(k_t + gain (gamma L(x) - L(G(z))), 0, 1), after every move of the generator; k_0 = 0.

    L is the mean error of reconstruction, minus the mean score. L(x) is that of the discriminator's last move and
    L(G(z)) that of the generator's, so the discriminator has moved between them. It shows k, and reports besides the
    measure of convergence M = L(x) + |gamma L(x) - L(G(z))|. All on the device, in float64.
    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), section 3.4; document 004, section 3.2 and its code.
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
    def observe(self, player: str, round: Round) -> None:
        """Note L(x) after the discriminator's move; change k after the generator's."""
        if player == "discriminator":
            self.real.copy_(-batch_mean(round.judged_real(self.match).score.double()))
        elif player == "generator":
            balance = self.gamma * self.real + batch_mean(round.judged_fake(self.match).score.double())
            self.k.add_(self.gain * balance).clamp_(0.0, 1.0)
            self.measure.copy_(self.real + balance.abs())

    def report(self) -> dict[str, Tensor]:
        """Show k and the measure of convergence."""
        return {"k": self.k.float(), "measure": self.measure.float()}


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The discriminator minimises L(x) - k L(G(z)), the generator L(G(z)); L = -score, an error of reconstruction.

    Source: Berthelot, Schumm and Metz 2017 (arXiv:1703.10717), section 3.4.
    """

    balance: Equilibrium

    def discriminator(self, scores: BothScores) -> Tensor:
        return self.balance.k.float() * scores.fake.mean() - scores.real.mean()

    def generator(self, scores: BothScores) -> Tensor:
        return -scores.fake.mean()
