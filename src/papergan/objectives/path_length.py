"""Path length regularisation: a step in W changes the image equally everywhere, and in every direction."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from papergan.game.schedules import Progress
from papergan.game.sharding import batch_mean, per_image
from papergan.game.step_context import StepContext
from papergan.game.style_generator import StyleGenerator
from papergan.game.terms import Term


class MeanPathLength(nn.Module):
    """The running mean a of path lengths, a controller of the game: a <- a + decay (mean length - a)."""

    on_device = True
    mean: Tensor

    def __init__(self, decay: float = 0.01) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, progress: Progress) -> Tensor:
        """a, a float32 scalar."""
        return self.mean

    @torch.no_grad()
    def observe(self, player: str, context: StepContext) -> None:
        """Update the mean with the lengths of a step on `PathLength`, after it."""
        for term in context.turn.objective:
            if isinstance(term, PathLength) and term.mean is self:
                self.mean.copy_(term.next_mean(context))

    def report(self) -> dict[str, Tensor]:
        """The value of a."""
        return {"mean": self.mean}


@dataclass(frozen=True)
class PathLength(Term):
    """mean_B (|J_w^T y| - a)^2, J_w^T y = grad_w (g(w) . y), y ~ N(0, I) / sqrt(H W), a the running mean of lengths.

    w: styles of every layer, mixed where styles are mixed; |.|^2 is summed over the dimensions of a style and averaged
    over layers, as in the authors' code. a includes this step's lengths, with their gradient. mean: the controller of
    a. shrink: lengths are of every shrink-th latent of the batch. Taken every n-th iteration, its weight is n times 2,
    the paper's. Source: Karras et al. 2020 (arXiv:1912.04958), section 3.2 and appendix B; the code of StyleGAN2-ADA.
    """

    mean: MeanPathLength = field(default_factory=MeanPathLength)
    shrink: int = 2

    def __call__(self, context: StepContext) -> Tensor:
        return (self.lengths(context) - self.next_mean(context)).square().mean()

    def next_mean(self, context: StepContext) -> Tensor:
        """The running mean including the lengths of this step, of all ranks."""
        return torch.lerp(self.mean.mean, batch_mean(self.lengths(context)), self.mean.decay)

    def lengths(self, context: StepContext) -> Tensor:
        """|J_w^T y| of some of the latents of this step, [B / shrink] or 1, in float32."""
        return context.cached("path lengths", self.match, compute=lambda: self._lengths(context))

    def _lengths(self, context: StepContext) -> Tensor:
        generator = context.network(self.match.generator)
        assert isinstance(generator, StyleGenerator)
        some = [part[:: self.shrink] for part in context.latent(self.match)]
        with torch.autocast(some[0].device.type, enabled=False):
            styles = generator.styles(*some)
            if not styles.requires_grad:  # from a mapping that is not being trained
                styles = styles.detach().requires_grad_()
            images = generator.synthesise(styles)
            return path_lengths(images, styles)


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """|J_w^T y| of images [B, C, H, W] that were generated from styles [B, L, W]: [B], differentiable."""
    y = per_image(lambda n: torch.randn(n, *images.shape[1:], device=images.device), len(images))
    y = y / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * y).sum(), styles, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()
