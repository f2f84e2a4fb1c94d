"""PacGAN on points of the plane. Lin et al. 2018, arXiv:1712.04086, table 1.

Reproduced from the authors' code, `synthetic_data_experiments`: a generator of four hidden layers of 400 with BatchNorm
and ReLU and a linear output layer; a discriminator of three layers of 200 maxout units of five pieces, given m points
at once (`packing`; 1 is the plain GAN); weights N(0, 0.02), latents N(0, I) of dimension 2, the non-saturating loss,
Adam 1e-4 with beta1 0.8. Data, batches and steps are in the tool's recipe, pacgan_points.
Deviations: the players are updated one after the other, the generator on new latents, where the code takes both
gradients from one forward pass; the generator's batch statistics are of all m points of a pack, where the code computes
them for each position in the pack separately.
Deterministic on a GPU: torch has deterministic kernels for matrix products, sums, batch norm and elementwise functions.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.networks.fully_connected.points import PointDiscriminator, PointGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.validation import Packing

TRAITS = frozenset({"unbounded_output"})


def build(
    images: ImageSpec,
    *,
    packing: Packing = 1,
    latent_dim: Annotated[int, Field(ge=1)] = 2,
    width: Annotated[int, Field(ge=1)] = 400,
    discriminator_width: Annotated[int, Field(ge=1)] = 200,
    pieces: Annotated[int, Field(ge=1, le=1000)] = 5,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.8,
) -> Game:
    """Build the game. The defaults are the paper's numbers. packing: points per score. pieces: of a maxout unit."""
    return two_player(
        generator=PointGenerator(images, latent_dim, width),
        discriminator=PointDiscriminator(images.packed(packing), discriminator_width, pieces),
        prior=Gaussian(latent_dim),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        match=Match(discriminator_input=packed(packing)),
    )
