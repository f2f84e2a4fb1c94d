"""A discriminator with random scores, by the reparametrisation trick."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from papergan.game.game import DiscriminatorOutput
from papergan.game.sharding import per_image


class Reparametrised(nn.Module):
    """Wraps a discriminator with 2 K outputs, means and log variances: scores [B, K] = mu + exp(log variance / 2) e.

    e ~ N(0, I) in training mode; the mean itself in evaluation mode. Source: Xiangli et al. 2020 (RealnessGAN,
    arXiv:2002.05512), its code; Kingma and Welling 2014 (arXiv:1312.6114), section 2.4.
    """

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        verdict: DiscriminatorOutput = self.discriminator(images)
        mean, log_variance = verdict.score.float().chunk(2, dim=1)
        if self.training:
            noise = per_image(lambda n: torch.randn(n, mean.shape[1], device=mean.device), len(mean))
            mean = mean + (0.5 * log_variance).exp() * noise
        return verdict._replace(score=mean)
