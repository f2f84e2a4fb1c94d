"""BEGAN-CS. Chang, Lin, Lee, Juan, Wei and Chen 2018, Escaping from Collapsing Modes in a Constrained Space, ECCV.

Reproduced: BEGAN with a constraint on its latent space, alpha mean |E(G(z)) - z| in the discriminator's objective,
alpha 0.1, code and latent of 64 dimensions, U(-1, 1), n = 128, gamma 0.5, lambda_k 0.001, Adam 1e-4. zaika2025
describes it in section 1.2.5 as not having solved mode collapse and in section 2.2 as free of it.
Deviations: the autoencoder is BEGAN's own; the authors' code has a different one of four blocks, doubled by 1x1
convolutions, draws one latent for both steps, measures the error as an L2 norm over the batch, and updates k with
recomputed losses.
Our choice: the learning rate stays constant unless stall_window is set. Batch 64 is in the recipe.

Deterministic on a GPU: torch has deterministic kernels for convolutions, matrix products and nearest-neighbour
upsampling.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.priors import Uniform
from papergan.networks.autoencoders.autoencoder import Autoencoder
from papergan.networks.autoencoders.began import ELUDecoder, ELUEncoder
from papergan.objectives.latent_constraint import LatentConstraint
from papergan.systems.began_original import assemble


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 64,
    width: Annotated[int, Field(ge=1)] = 128,
    alpha: Annotated[float, Field(ge=0.0)] = 0.1,
    gamma: Annotated[float, Field(gt=0.0)] = 0.5,
    lambda_k: Annotated[float, Field(ge=0.0)] = 0.001,
    power: Literal[1, 2] = 1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    stall_window: Annotated[int, Field(ge=0)] = 0,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. alpha: weight of the constraint. stall_window: see `began_original`."""
    autoencoder = Autoencoder(ELUEncoder(images, latent_dim, width), ELUDecoder(images, latent_dim, width), power)
    return assemble(
        ELUDecoder(images, latent_dim, width), autoencoder, Uniform(latent_dim), gamma=gamma, lambda_k=lambda_k,
        learning_rate=learning_rate, stall_window=stall_window, beta1=beta1,
        constraints=[LatentConstraint(weight=alpha)] if alpha else [],
    )  # fmt: skip
