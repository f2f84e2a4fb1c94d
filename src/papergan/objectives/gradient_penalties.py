"""Gradient penalties on the discriminator: two-sided, local, R1, R2.

Computed without autocast, whatever the precision of the networks: in float32, with matrix products in TF32 on a GPU
where the recipe's precision has them (tf32 and bfloat16, see `numerics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from papergan.game.game import Match, Side, Turn
from papergan.game.schedules import EveryNSteps
from papergan.game.sharding import batch_mean, per_image
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class GradientPenalty(Term):
    """mean_B (||grad_x^ f(x^)||_2 - target)^2 at x^ = x + u (G(z) - x), u ~ U[0, 1] per sample; weight is lambda.

    Taken between augmented images, or packs of them, which have one gradient. Two-sided, target 1. If the discriminator
    is given classes, x^ has those of x; the prior should draw G(z) of the same classes, `WithChoice(from_batch=True)`.
    Source: Gulrajani et al. 2017 (arXiv:1704.00028), eq. 3, lambda 10. Needs a discriminator without BatchNorm.
    """

    target: float = 1.0

    def __call__(self, context: StepContext) -> Tensor:
        real, *classes = _constants(context.input_real(self.match))
        fake = _constants(context.input_fake(self.match))[0][: len(real)]
        share = _shares(real)
        between = torch.lerp(real, fake, share).requires_grad_()
        with torch.autocast(real.device.type, enabled=False):
            score = context.discriminate(self.match, between, *classes).score
        gradient = _slope(score, between)
        return _off(gradient, self.target)


@dataclass(frozen=True)
class LocalGradientPenalty(Term):
    """mean_B (||grad_x^ f(x^)||_2 - 1)^2 at x^ = x + u c s v, only near real images; weight is lambda.

    v ~ U[0, 1) per value of an image, u ~ U[0, 1) per image, s the standard deviation of all values of the batch, c
    the perturbation's size. Needs a discriminator without BatchNorm.
    Source: Kodali et al. 2017 (DRAGAN, arXiv:1705.07215), section 2.3 and its code, where v is not centred.
    """

    size: float = 0.5

    def __call__(self, context: StepContext) -> Tensor:
        real, *classes = _constants(context.input_real(self.match))
        spread = _spread(real)
        noise = per_image(lambda n: torch.rand(n, *real.shape[1:], device=real.device), len(real))
        share = _shares(real)
        near = (real + share * self.size * spread * noise).requires_grad_()
        with torch.autocast(real.device.type, enabled=False):
            score = context.discriminate(self.match, near, *classes).score
        gradient = _slope(score, near)
        return _off(gradient, 1.0)


@dataclass(frozen=True)
class R1(Term):
    """1/2 mean_B ||grad_x f(x)||_2^2 at real images x, the sum over all pixels; weight is gamma.

    The gradient is taken with respect to the images before augmentation, through it (as StyleGAN2-ADA does).
    Taken every n-th iteration, its weight is n * gamma. Source: Mescheder et al. 2018 (arXiv:1801.04406), eq. 9.
    """

    differentiates: ClassVar[Side] = "real"

    def __call__(self, context: StepContext) -> Tensor:
        gradient = _slope(context.discriminated_real(self.match).score, context.real(self.match))
        return 0.5 * gradient.square().flatten(1).sum(dim=1).mean()


@dataclass(frozen=True)
class R2(Term):
    """1/2 mean_B ||grad_x f(x)||_2^2 at generated images x = G(z), the sum over all pixels; weight is gamma.

    The images are constants: no gradient reaches the generator. As with R1 the gradient is taken with respect to the
    images before augmentation, through it, and a turn taken every n-th iteration has the weight n * gamma.
    Source: Mescheder et al. 2018 (arXiv:1801.04406), eq. 10; with R1 in Huang et al. 2024 (R3GAN, arXiv:2501.05441).
    """

    differentiates: ClassVar[Side] = "fake"

    def __call__(self, context: StepContext) -> Tensor:
        gradient = _slope(context.discriminated_fake(self.match).score, context.fake(self.match))
        return 0.5 * gradient.square().flatten(1).sum(dim=1).mean()


def _constants(parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The input of a discriminator, images and anything else it is given, as constants in float32."""
    return tuple(part.detach().float() for part in parts)


def _shares(real: Tensor) -> Tensor:
    """Draws u ~ U[0, 1), one number for each sample of a batch [B, ...]: [B, 1, ...], with as many axes."""
    ones = [1] * (real.dim() - 1)
    return per_image(lambda n: torch.rand(n, *ones, device=real.device), len(real))


def _off(gradient: Tensor, target: float) -> Tensor:
    """mean_B (||gradient||_2 - target)^2, the norm over all values of an image."""
    distance: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1) - target
    return distance.square().mean()


def _spread(images: Tensor) -> Tensor:
    """Standard deviation of all values of the whole batch, the mean subtracted before squaring: [] >= 0."""
    mean = batch_mean(images.flatten(1).mean(1))
    return batch_mean((images - mean).square().flatten(1).mean(1)).sqrt()


def _slope(score: Tensor, images: Tensor) -> Tensor:
    """The gradient of sum(score) with respect to the images, itself differentiable: [B, C, S, S]."""
    with torch.autocast(images.device.type, enabled=False):  # otherwise products in the derivative would be rounded
        (gradient,) = torch.autograd.grad(score.sum(), images, create_graph=True)
    return gradient


def lazy_penalties(interval: int, *, r1: float, r2: float = 0.0, match: Match | None = None) -> list[Turn]:
    """R1 and R2 as a turn of their own in every `interval`-th iteration, their weights multiplied by the interval.

    r1, r2: weights, 0 = off; no turn if both are. match: None = the default.
    Source: Karras et al. 2020 (arXiv:1912.04958), section 3.1, lazy regularisation.
    """
    match = match or Match()
    terms: list[Term] = [R1(weight=r1 * interval, match=match)] if r1 else []
    terms += [R2(weight=r2 * interval, match=match)] if r2 else []
    return [Turn("discriminator", tuple(terms), when=EveryNSteps(interval))] if terms else []
