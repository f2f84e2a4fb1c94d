"""Priors draw the generator's arguments. A prior is a network: it may have weights, and a player may train them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.game.knobs import Progress


class Prior(nn.Module):
    """Draws `count` latents as a tuple of the generator's arguments, on the device of its buffers."""

    where: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
        self.latent_dim = latent_dim
        self.register_buffer("where", torch.zeros(()), persistent=False)


class Gaussian(Prior):
    """z ~ N(0, I), float32 [count, latent_dim]."""

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return (torch.randn(count, self.latent_dim, device=self.where.device),)


class Uniform(Prior):
    """z ~ U(-1, 1), float32 [count, latent_dim]."""

    def forward(self, count: int, progress: Progress) -> tuple[Tensor, ...]:
        return (torch.rand(count, self.latent_dim, device=self.where.device) * 2.0 - 1.0,)
