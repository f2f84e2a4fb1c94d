"""AdaptiveMix: the distance between features of mixed images and the mix of the images' features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from papergan.game.sharding import all_gather, per_image
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class FeatureShrinkage(Term):
    """AdaptiveMix on real images: features of mixed images are pulled towards the same mix of the images' features.

    x~ = lambda x + (1 - lambda) x[pi], one lambda ~ Beta(alpha, alpha) per call, pi a permutation of the batch;
    value = 1 - mean_B cos(v(x~), stop_gradient(lambda v(x) + (1 - lambda) v(x)[pi] + noise_std * N(0, 1))), v the
    discriminator's deepest features, flattened; in [0, 2]. v(x) is reused from the adversarial loss, so the
    cost is one more pass. Mixing happens after augmentation.
    Source: Liu et al. 2023 (arXiv:2303.01559), as tahvili2025 (section V.B) describes it: real pairs, discriminator
    only; `networks.mixing` has the form of the authors' code, where the logits are mixed as well.
    """

    alpha: float = 1.0
    noise_std: float = 0.05

    def __call__(self, context: StepContext) -> Tensor:
        shown = context.augmented_real(self.match)
        features = context.discriminated_real(self.match).features[-1].float().flatten(1)
        order = per_image(lambda n: torch.randperm(n, device=shown.device), len(shown))
        share = beta(self.alpha, shown.device)
        mixed = context.discriminate(self.match, torch.lerp(all_gather(shown)[order], shown, share.to(shown.dtype)))
        target = torch.lerp(all_gather(features)[order], features, share).detach()
        target = target + self.noise_std * noise_like(target)
        return 1.0 - cosine_similarity(mixed.features[-1].float().flatten(1), target).mean()


def noise_like(rows: Tensor) -> Tensor:
    """N(0, 1) noise with the shape [B, D] of `rows`, drawn row by row."""
    return per_image(lambda n: torch.randn(n, rows.shape[1], dtype=rows.dtype, device=rows.device), len(rows))


def beta(alpha: float, device: torch.device) -> Tensor:
    """One draw from Beta(alpha, alpha), a scalar on the device; from the ratio of two gamma draws."""
    if alpha == 1.0:
        return torch.rand((), device=device)
    gammas = torch._standard_gamma(torch.full((2,), alpha, device=device))
    return gammas[0] / gammas.sum()
