"""BEGAN with a ResNet18 autoencoder, zaika2025, following its code listing where that differs from its text.

Reproduced from the code: generator and decoder of the same architecture, with BatchNorm and ReLU before the first
transposed convolution; 48-dimensional latents, N(0, I); a ResNet18 encoder with ImageNet weights and a newly
initialised first convolution; Xavier weights with gain 0.02 in generator and decoder only; L1 error; Adam with 1e-4 for
the generator and 1e-5 for the discriminator, betas 0.5 and 0.999; gamma 0.5, lambda_k 0.001, k from 0 and within [0,
1]; real and generated images in separate forward passes, each with its own BatchNorm statistics; new latents for the
generator's step, whose loss updates k.
Batch 64, 64x64 pixels, the incomplete last batch and 8 epochs are in the recipe. No weight averaging, no augmentation.
Deviations: none known. ResNet18's classifier is kept but never trained, as in the code.

Contradictions in the paper: its text draws 64-dimensional latents uniformly (recipe began_text); its variable lr is
never used; section 3.2 compares reconstructions of generated images with real ones; it says that the small learning
rate of the discriminator cured mode collapse but measures nothing (recipe began_dlr).

Deterministic on a GPU: torch has deterministic kernels for convolutions of both kinds, batch norm, matrix products, max
pooling and averages.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, Uniform
from papergan.game.two_player import two_player
from papergan.networks.autoencoders.autoencoder import Autoencoder, DeconvolutionalDecoder
from papergan.networks.autoencoders.resnet18 import CODE_DIM, ResNet18Encoder
from papergan.objectives.began import Equilibrium, Reconstruction

PRIORS = {"normal": Gaussian, "uniform": Uniform}


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 48,
    prior: Literal["normal", "uniform"] = "normal",
    width: Annotated[int, Field(ge=1)] = 64,
    encoder_weights: Annotated[str, Field(min_length=1)] = "imagenet",
    gamma: Annotated[float, Field(gt=0.0)] = 0.5,
    lambda_k: Annotated[float, Field(ge=0.0)] = 0.001,
    generator_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    discriminator_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-5,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    encoder_weights: see `ResNet18Encoder`. width: channels of the last hidden map of generator and decoder.
    """
    balance = Equilibrium(gamma, lambda_k)
    return two_player(
        generator=DeconvolutionalDecoder(images, latent_dim, width),
        discriminator=Autoencoder(
            ResNet18Encoder(images, encoder_weights), DeconvolutionalDecoder(images, CODE_DIM, width)
        ),
        prior=PRIORS[prior](latent_dim),
        loss=Reconstruction(balance),
        generator_optimiser=adam(generator_learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(discriminator_learning_rate, (beta1, 0.999)),
        controllers={"equilibrium": balance},
    )
