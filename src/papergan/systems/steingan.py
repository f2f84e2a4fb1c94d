"""SteinGAN. Wang and Liu 2016, arXiv:1611.01722.

Reproduced: an autoencoder's energy as the discriminator, which minimises E(x) - 0.3 E(G(z)); a generator that moves its
samples along Stein variational gradients of that energy, with a kernel on codes and the median as bandwidth (its
algorithm 1); Adam 5e-4 for the discriminator, and 1e-4 while real images have no more energy than generated ones; Adam
1e-3 for the generator; beta1 0.5 for both; latents U(-1, 1) of dimension 100. Batch 100 is in the recipe.
Deviations: the authors' autoencoder has tied weights, dropout and weight decay, and for CIFAR-10 labels: that model is
the row with 6.35 in tahvili2025's table IV, and its code is not released. Here it is BEGAN's encoder and decoder,
without labels. Full Stein gradients, where the released code for CelebA uses a sample's own gradient and half of the
nearest neighbour's repulsion. That code updates the generator first, on the samples that the discriminator then sees;
its generator has 128 maps before the last layer, kernels 5x5 and weight decay 1e-5, here DCGAN's with 64, 4x4 and none.
Deterministic on a GPU: torch has deterministic kernels for convolutions, nearest-neighbour upsampling and matrix
products; the median's gradient is not taken.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Uniform
from papergan.game.terms import DiscriminatorLoss
from papergan.networks.autoencoders.began import ELUDecoder, ELUEncoder
from papergan.networks.autoencoders.energy import EnergyAutoencoder
from papergan.networks.convolutional.dcgan import DCGANGenerator
from papergan.objectives.adversarial import WeightedEnergies
from papergan.objectives.stein import SlowWhenAhead, SteinGradient


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    share: Annotated[float, Field(ge=0.0)] = 0.3,
    generator_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3,
    discriminator_learning_rate: Annotated[float, Field(gt=0.0)] = 5e-4,
    slow_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    share: weight of the energy of generated images. slow_learning_rate: the discriminator's while it is ahead.
    """
    rate = SlowWhenAhead(discriminator_learning_rate, slow_learning_rate)
    energy = EnergyAutoencoder(ELUEncoder(images, latent_dim, width), ELUDecoder(images, latent_dim, width))
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": Uniform(latent_dim),
                "generator": DCGANGenerator(images, latent_dim, width),
                "discriminator": energy,
            }
        ),
        players={
            "discriminator": Player(("discriminator",), adam(discriminator_learning_rate, (beta1, 0.999)), rate),
            "generator": Player(("generator", "prior"), adam(generator_learning_rate, (beta1, 0.999))),
        },
        turns=(
            Turn("discriminator", (DiscriminatorLoss(WeightedEnergies(share)),)),
            Turn("generator", (SteinGradient(),)),
        ),
        controllers={"rate": rate},
    )
