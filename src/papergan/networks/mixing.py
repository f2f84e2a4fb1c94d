"""AdaptiveMix as in the authors' code: images, features and logits are mixed inside the discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from papergan.game.game import DiscriminatorOutput
from papergan.game.sharding import all_gather, per_image
from papergan.networks.layers.blocks import Discriminator
from papergan.objectives.adaptive_mix import beta, noise_like


class MixingDiscriminator(nn.Module):
    """Wraps a discriminator c(v(x)), v its trunk and c its head, for a batch that is all real or all generated.

    x~ = lambda x + (1 - lambda) x[pi], one lambda ~ Beta(alpha, alpha) per call. The logit becomes
    c(lambda v(x) + (1 - lambda) v(x)[pi]) + c(v(x~)), in training mode only; in evaluation mode it is c(v(x)).
    extras["mixing"] = -mean_B cos(v(x~), stop_gradient(lambda v(x) + (1 - lambda) v(x)[pi] + noise_std * N(0, 1))).
    Source: Liu et al. 2023 (arXiv:2303.01559) and its released training code for generation, which recomputes v(x[pi]);
    here it is v(x)[pi], which is the same because the trunk processes each image independently.
    """

    def __init__(self, discriminator: Discriminator, alpha: float = 1.0, noise_std: float = 0.05) -> None:
        super().__init__()
        self.discriminator, self.alpha, self.noise_std = discriminator, alpha, noise_std

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.discriminator.trunk(images)
        if not self.training:
            return DiscriminatorOutput(self.discriminator.head(features), (features,))
        order = per_image(lambda n: torch.randperm(n, device=images.device), len(images))
        share = beta(self.alpha, images.device)
        mixed_features = self.discriminator.trunk(torch.lerp(all_gather(images)[order], images, share.to(images.dtype)))
        features_mixed = torch.lerp(all_gather(features)[order], features, share.to(features.dtype))
        score = self.discriminator.head(features_mixed) + self.discriminator.head(mixed_features)
        target = features_mixed.detach().float().flatten(1)
        target = target + self.noise_std * noise_like(target)
        distance = -cosine_similarity(mixed_features.float().flatten(1), target).mean()
        return DiscriminatorOutput(score, (features,), {"mixing": distance})
