"""The latent constraint of BEGAN-CS: the distance between the code of a generated image and its latent."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class LatentConstraint(Term):
    """mean |E(G(z)) - z|, E the discriminator's encoder, whose code is its deepest features; for the discriminator.

    Code and latent have the same dimension. Source: Chang et al. 2018, Escaping from Collapsing Modes in a Constrained
    Space (BEGAN-CS); the mean of absolute differences as in its authors' code.
    """

    def __call__(self, context: StepContext) -> Tensor:
        (latent,) = context.latent(self.match)
        return (context.discriminated_fake(self.match).features[-1].float() - latent).abs().mean()
