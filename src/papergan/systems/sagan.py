"""SAGAN: self-attention in both networks. Zhang, Goodfellow, Metaxas and Odena 2019, arXiv:1805.08318.

Reproduced: spectral normalisation and self-attention in both networks, hinge loss, conditional BatchNorm and the
projection discriminator; by default the paper's optimisation: two learning rates, 1e-4 for the generator and 4e-4 for
the discriminator, Adam (0, 0.9), one step each (sections 3 and 4).
The paper does not use CIFAR-10. The networks for it are those of StudioGAN (Kang et al. 2023, arXiv:2206.09479,
configs/CIFAR10/SAGAN.yaml): residual networks of width 256 and 128, attention after the generator's second block and
the discriminator's first, orthogonal initialisation, BatchNorm's epsilon 1e-4, spectral normalisation of every layer,
including those of conditional BatchNorm; latents N(0, I) of dimension 128, classes drawn uniformly. StudioGAN's
optimisation is in the recipe.
The paper contradicts its code in Adam's beta2, 0.9 and TensorFlow's usual 0.999; the paper is followed.
Deviations: the singular vectors of spectral normalisation start from 15 power iterations, theirs are random, and the
epsilon is 1e-12, theirs 1e-6; samples use BatchNorm's running statistics, StudioGAN's benchmark standing statistics
(-std_stat); the discriminator's singular vectors are updated once for reals and once for fakes, as in StudioGAN. Skip
connections of the discriminator's blocks carry the block's input, as in Miyato's code; StudioGAN's carry its ReLU,
because an in-place ReLU overwrites the input (benchmarks/peers).
Deterministic on a GPU: as `hybrid_fast`; torch also has deterministic kernels for the matrix products and softmax of
attention.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.two_player import two_player
from papergan.networks.layers.blocks import normalise_spectrally, orthogonal_initialisation, set_batch_norm_epsilon
from papergan.networks.residual.biggan import biggan_discriminator
from papergan.networks.residual.resnet import ResNetGenerator
from papergan.objectives.adversarial import Hinge
from papergan.systems.biggan import Rate, Share, Width

TRAITS = frozenset({"needs_labels"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    generator_width: Width = 256,
    discriminator_width: Width = 128,
    attention: bool = True,
    generator_learning_rate: Rate = 1e-4,
    discriminator_learning_rate: Rate = 4e-4,
    beta1: Share = 0.0,
    beta2: Share = 0.9,
    adam_epsilon: Rate = 1e-8,
    batch_norm_epsilon: Rate = 1e-4,
    discriminator_steps: Annotated[int, Field(ge=1)] = 1,
) -> Game:
    """Build the game. attention: false leaves it out of both networks, the ablation of the paper's section 4.2."""
    generator = ResNetGenerator(images, latent_dim, generator_width, attention=attention, classes=images.num_classes)
    normalise_spectrally(orthogonal_initialisation(generator))
    betas = (beta1, beta2)
    return two_player(
        generator=set_batch_norm_epsilon(generator, batch_norm_epsilon),
        discriminator=biggan_discriminator(
            images, discriminator_width, attention=attention, initialisation="orthogonal"
        ),
        prior=WithChoice(Gaussian(latent_dim), images.num_classes),
        loss=Hinge(),
        generator_optimiser=adam(generator_learning_rate, betas, epsilon=adam_epsilon),
        discriminator_optimiser=adam(discriminator_learning_rate, betas, epsilon=adam_epsilon),
        discriminator_steps=discriminator_steps,
        match=Match(discriminator_input=Labelled()),
    )
