"""Diversity regularisation (mode seeking): the ratio of image distance to latent distance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.game.sharding import all_gather, per_image
from papergan.game.step_context import StepContext
from papergan.game.terms import Term


@dataclass(frozen=True)
class Diversity(Term):
    """-mean |G(z) - G(z')|_1 / (|z - z'|_1 + 1e-5), z' the latent before z in the batch; for the generator.

    Norms are means over pixels and over latent dimensions. Images of different latents are pushed apart, which
    penalises covering few modes. Source: Mao et al. 2019 (mode seeking, arXiv:1903.05628), eq. 2, whose weight is 1;
    there it is a ratio to be maximised. gan_optimisation_review, section II.E, names diversity regularisation without
    an equation.
    """

    def __call__(self, context: StepContext) -> Tensor:
        (latent,) = context.latent(self.match)
        fake = context.fake(self.match)
        other = per_image(lambda n: torch.arange(n, device=fake.device).roll(1), len(fake))
        apart = (fake - all_gather(fake)[other]).abs().flatten(1).mean(1)
        return -(apart / ((latent - all_gather(latent)[other]).abs().mean(1) + 1e-5)).mean()
