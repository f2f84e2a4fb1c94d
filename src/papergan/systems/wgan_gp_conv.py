"""WGAN-GP on convolutional networks, in the variants that appear in tahvili2025's tables.

Gulrajani et al. 2017, arXiv:1704.00028. Reproduced: Wasserstein loss, gradient penalty of eq. 3 with lambda 10, no
BatchNorm in the critic, five critic steps per generator step, Adam 1e-4 (0.5, 0.9) (algorithm 1 has beta1 0 since its
second version; the authors' convolutional script for CIFAR-10 has 0.5), latents N(0, I) of dimension 128.
Ours, off by default: `labels: maps`, as in `dcgan`; generated images have the classes of the real ones that they are
compared with, and the penalty is computed for these classes.
Deviations: DCGAN networks k4 instead of the script's k5; no learning-rate decay, as in that script.
The recipe determines the row: `wgan_gp_conv_cifar10` is the one with 6.40, `wgan_gp_single_cifar10` the one with 5.99
from the DRAGAN paper, with one step each, `wgan_gp_sn_cifar10` the one with 41.86 on the networks that rows of table V
share, `wgan_gp_again_cifar10` the "re-implemented" one with 38.63. `wgan_gp` is the residual network of its own paper.
Deterministic on a GPU: torch has deterministic kernels for convolutions, their second derivatives and batch norm.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled, packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.two_player import two_player
from papergan.networks.convolutional.conditional_dcgan import DISCRIMINATORS, GENERATORS, ClassMaps
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.gradient_penalties import GradientPenalty
from papergan.validation import Packing


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 128,
    spectral: bool = False,
    penalty: Annotated[float, Field(ge=0.0)] = 10.0,
    critic_steps: Annotated[int, Field(ge=1)] = 5,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
    labels: ClassMaps = "none",
    packing: Packing = 1,
) -> Game:
    """Build the game.

    penalty: lambda. spectral: spectral normalisation of the critic, which no WGAN-GP of its authors has. labels: how
    they enter both networks. packing: images per score, each with its class if there are labels.
    """
    match = Match(discriminator_input=packed(packing, None if labels == "none" else Labelled()))
    latents = Gaussian(latent_dim)
    return two_player(
        generator=GENERATORS[labels](images, latent_dim, width),
        discriminator=DISCRIMINATORS[labels](images.packed(packing), width, normalisation="none", spectral=spectral),
        prior=latents if labels == "none" else WithChoice(latents, images.num_classes, from_batch=True),
        loss=Wasserstein(),
        generator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_terms=[GradientPenalty(weight=penalty, match=match)],
        discriminator_steps=critic_steps,
        match=match,
    )
