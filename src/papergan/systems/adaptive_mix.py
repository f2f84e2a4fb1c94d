"""AdaptiveMix on WGAN-GP. Liu et al. 2023, arXiv:2303.01559.

Reproduced, from the authors' code for generation: images, features and logits are mixed within a batch of real images
and within a batch of generated ones, and features of mixed images are pulled towards mixed features, in both players'
steps (see `networks.mixing`); noise 0.05, one lambda ~ Beta(1, 1) per batch, weight 1.
The row with 30.85 in tahvili2025's table V is their WGAN-GP with AdaptiveMix, next to 38.63 for their own WGAN-GP; its
code is not released. The rest is therefore `wgan_gp_conv` in the configuration of `wgan_gp_again_cifar10`: DCGAN
networks without BatchNorm in the critic, lambda 10, Adam 1e-4 (0.5, 0.9), five critic steps per generator step.
Deviations: their released code is built on StyleGAN2. The penalty is computed on the mixed logits, so that an image's
gradient contains parts of another image's.
Deterministic on a GPU: torch has deterministic kernels for convolutions, their second derivatives and batch norm.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.terms import Extra
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.networks.mixing import MixingDiscriminator
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.gradient_penalties import GradientPenalty


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 128,
    alpha: Annotated[float, Field(gt=0.0)] = 1.0,
    noise: Annotated[float, Field(ge=0.0)] = 0.05,
    mixing: Annotated[float, Field(ge=0.0)] = 1.0,
    penalty: Annotated[float, Field(ge=0.0)] = 10.0,
    critic_steps: Annotated[int, Field(ge=1)] = 5,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
) -> Game:
    """Build the game. alpha: of Beta(alpha, alpha). mixing: weight of the pull between features. penalty: lambda."""
    critic = DCGANDiscriminator(images, width, normalisation="none")
    return two_player(
        generator=DCGANGenerator(images, latent_dim, width),
        discriminator=MixingDiscriminator(critic, alpha, noise),
        prior=Gaussian(latent_dim),
        loss=Wasserstein(),
        generator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_terms=[
            GradientPenalty(weight=penalty), Extra("mixing", real=True, fake=True, weight=mixing)
        ],
        generator_terms=[Extra("mixing", fake=True, weight=mixing)],
        discriminator_steps=critic_steps,
    )  # fmt: skip
