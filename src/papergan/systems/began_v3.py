"""BEGAN v3. Park, Huh and Kim 2020, Avoiding Mode Collapse in GANs Using Variational Inference, Electronics 9, 688.

Reproduced, as zaika2025 describes it in section 2.2: BEGAN-CS with a variational autoencoder. The encoder outputs mu
and log sigma^2, the code is drawn from N(mu, sigma^2), and the discriminator also minimises the divergence of that
distribution from N(0, I); LeakyReLU instead of ELU; latents N(0, I), the distribution that the codes are pulled
towards.
Deviation: encoder and decoder have the layers of BEGAN; zaika2025 says that theirs were changed, but not how.
Our choices, since zaika2025 does not give them and the text of Park et al. was not available: the weight of the
divergence (0.001, summed over the code's dimensions, on real images), LeakyReLU's slope 0.2, and that the constraint
compares latents with mu. Everything else is as in BEGAN-CS.

Deterministic on a GPU: torch has deterministic kernels for convolutions, matrix products and nearest-neighbour
upsampling.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.priors import Gaussian
from papergan.game.terms import Extra, Term
from papergan.networks.autoencoders.began import ELUDecoder, ELUEncoder, VariationalAutoencoder
from papergan.objectives.latent_constraint import LatentConstraint
from papergan.systems.began_original import assemble


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 64,
    width: Annotated[int, Field(ge=1)] = 128,
    alpha: Annotated[float, Field(ge=0.0)] = 0.1,
    divergence: Annotated[float, Field(ge=0.0)] = 0.001,
    gamma: Annotated[float, Field(gt=0.0)] = 0.5,
    lambda_k: Annotated[float, Field(ge=0.0)] = 0.001,
    power: Literal[1, 2] = 1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    stall_window: Annotated[int, Field(ge=0)] = 0,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    alpha, divergence: weights of the constraint and of the divergence. stall_window: see `began_original`.
    """
    autoencoder = VariationalAutoencoder(
        ELUEncoder(images, 2 * latent_dim, width, _leaky), ELUDecoder(images, latent_dim, width, _leaky), power
    )
    terms: list[Term] = [LatentConstraint(weight=alpha)] if alpha else []
    terms += [Extra("divergence", real=True, weight=divergence)] if divergence else []
    return assemble(
        ELUDecoder(images, latent_dim, width, _leaky), autoencoder, Gaussian(latent_dim), gamma=gamma,
        lambda_k=lambda_k,
        learning_rate=learning_rate, stall_window=stall_window, beta1=beta1, constraints=terms,
    )  # fmt: skip


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
