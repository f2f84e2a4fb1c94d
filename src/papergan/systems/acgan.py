"""AC-GAN on CIFAR-10. Odena, Olah and Shlens 2017, arXiv:1610.09585.

The class is an input of the generator alone; the discriminator says of an image whether it is real and of which class
it is, and both players minimise the cross-entropy of that class (section 3, eqs. 2 and 3).
There is no code by the authors. From the appendix's table for CIFAR-10, at second hand and not held against the paper:
the maps, kernels and strides of both networks, BatchNorm, LeakyReLU(0.2), dropout 0.5 of what every convolution of the
discriminator gives, an input of the generator of 110 numbers, weights N(0, 0.02), Adam 2e-4 (0.5, 0.999), the middle
one of the three rates that the table has.
From memory of that table, not verified: activation noise of deviation 0, 0.1 or 0.2, of which 0.1 is the default here.
Our choices, where it is silent: 100 of the 110 numbers are latents N(0, I), ten the one-hot class; the noise is added
to the images that the discriminator is shown; padding keeps sides; generated classes are drawn evenly; weights of
BatchNorm begin as DCGAN's. Batch 100 and 50 000 steps are in the recipe.
Deviations: the generator minimises the non-saturating loss, where the paper's L_S is that of both (every
reimplementation does so); its turn is without the class loss of real images, which does not depend on it.
Deterministic on a GPU: convolutions, transposed ones, batch norm and products have such kernels in torch.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.two_player import two_player
from papergan.networks.convolutional.acgan import ACGANDiscriminator, ACGANGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.class_loss import FakeClassLoss, RealClassLoss

TRAITS = frozenset({"needs_labels"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    generator_width: Annotated[int, Field(ge=1)] = 96,
    discriminator_width: Annotated[int, Field(ge=1)] = 16,
    class_weight: Annotated[float, Field(ge=0.0)] = 1.0,
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    noise: Annotated[float, Field(ge=0.0)] = 0.1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    latent_dim: without the class. class_weight: of the class loss in both players' turns. dropout, noise: of the
    discriminator.
    """
    of_fakes = FakeClassLoss(weight=class_weight)
    return two_player(
        generator=ACGANGenerator(images, latent_dim, generator_width),
        discriminator=ACGANDiscriminator(images, discriminator_width, dropout=dropout, noise=noise),
        prior=WithChoice(Gaussian(latent_dim), images.num_classes),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        generator_terms=[of_fakes],
        discriminator_terms=[RealClassLoss(weight=class_weight), of_fakes],
    )
