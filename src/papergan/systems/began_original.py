"""BEGAN as published. Berthelot, Schumm and Metz 2017, arXiv:1703.10717.

Reproduced: a convolutional autoencoder with ELU and without normalisation (figure 1: two 3x3 convolutions per
resolution, n more channels at each halving, nearest-neighbour upsampling), a generator with the decoder's architecture;
latent and code of the same dimension, U(-1, 1); L1 error; gamma 0.5, lambda_k 0.001; Adam 1e-4, halved when the measure
of convergence stalls. No tanh on the last layer. The row with 5.62 (Inception Score on CIFAR-10) in tahvili2025 comes
from this paper.
Deviations: no vanishing residuals and no skip connections, which the paper offers as options.
Our choices, where the paper is silent: n = 128 and 64-dimensional latents at 32x32; Adam's betas 0.5 and 0.999; the
definition of a stall (see `HalvingWhenStalled`); new latents for the generator's step, as the paper's z_D and z_G
suggest, while public code uses one draw for both. Batch 16 is in the recipe.

Deterministic on a GPU: torch has deterministic kernels for convolutions, matrix products and nearest-neighbour
upsampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Prior, Uniform
from papergan.game.terms import Term
from papergan.game.two_player import two_player
from papergan.networks.autoencoders.autoencoder import Autoencoder
from papergan.networks.autoencoders.began import ELUDecoder, ELUEncoder
from papergan.objectives.began import Equilibrium, HalvingWhenStalled, Reconstruction


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 64,
    width: Annotated[int, Field(ge=1)] = 128,
    gamma: Annotated[float, Field(gt=0.0)] = 0.5,
    lambda_k: Annotated[float, Field(ge=0.0)] = 0.001,
    power: Literal[1, 2] = 1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    stall_window: Annotated[int, Field(ge=0)] = 10_000,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    width: n, the channels of the first map. stall_window: iterations, 0 = the learning rate never halves.
    """
    autoencoder = Autoencoder(ELUEncoder(images, latent_dim, width), ELUDecoder(images, latent_dim, width), power)
    return assemble(
        ELUDecoder(images, latent_dim, width), autoencoder, Uniform(latent_dim), gamma=gamma, lambda_k=lambda_k,
        learning_rate=learning_rate, stall_window=stall_window, beta1=beta1,
    )  # fmt: skip


def assemble(
    generator: nn.Module,
    autoencoder: Autoencoder,
    prior: Prior,
    *,
    gamma: float,
    lambda_k: float,
    learning_rate: float,
    stall_window: int,
    beta1: float,
    constraints: Sequence[Term] = (),
) -> Game:
    """The game of BEGAN and its variants. constraints: further terms of the discriminator."""
    balance = Equilibrium(gamma, lambda_k)
    rate = HalvingWhenStalled(balance, learning_rate, window=stall_window) if stall_window else None
    return two_player(
        generator=generator,
        discriminator=autoencoder,
        prior=prior,
        loss=Reconstruction(balance),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        generator_learning_rate=rate,
        discriminator_learning_rate=rate,
        discriminator_terms=constraints,
        controllers={"equilibrium": balance, **({"learning_rate": rate} if rate else {})},
    )
