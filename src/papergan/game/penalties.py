"""Gradient penalties: what the slope of the discriminator costs it. Always computed in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from papergan.game.round import Round
from papergan.game.shard import per_image
from papergan.game.terms import Term


@dataclass(frozen=True)
class GradientPenalty(Term):
    """mean_B (||grad_x^ f(x^)||_2 - target)^2 at x^ = x + u (G(z) - x), u ~ U[0, 1] per sample; weight is lambda.

    Between the images as the discriminator is shown them (augmented). Two-sided, target 1.
    Source: Gulrajani et al. 2017 (arXiv:1704.00028), eq. 3, lambda 10. Needs a discriminator without BatchNorm.
    """

    target: float = 1.0

    def __call__(self, round: Round) -> Tensor:
        real = round.shown_real(self.match).detach().float()
        fake = round.shown_fake(self.match).detach().float()[: len(real)]
        share = per_image(lambda n: torch.rand(n, 1, 1, 1, device=real.device), len(real))
        between = torch.lerp(real, fake, share).requires_grad_()
        with torch.autocast(real.device.type, enabled=False):
            gradient = _slope(round.judge(self.match, between).score, between)
        distance: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1) - self.target
        return distance.square().mean()


@dataclass(frozen=True)
class R1(Term):
    """1/2 mean_B ||grad_x f(x)||_2^2 at real images x, the sum over all pixels; weight is gamma.

    The gradient is taken with respect to the images before augmentation, through it (as StyleGAN2-ADA does).
    Taken every n-th iteration, its weight is n * gamma. Source: Mescheder et al. 2018 (arXiv:1801.04406), eq. 9.
    """

    differentiates_inputs: ClassVar[bool] = True

    def __call__(self, round: Round) -> Tensor:
        gradient = _slope(round.judged_real(self.match).score, round.real(self.match))
        return 0.5 * gradient.square().flatten(1).sum(dim=1).mean()


def _slope(score: Tensor, images: Tensor) -> Tensor:
    """Grad of sum(score) with respect to the images, itself differentiable: [B, C, S, S]."""
    (gradient,) = torch.autograd.grad(score.sum(), images, create_graph=True)
    return gradient
