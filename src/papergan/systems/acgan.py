"""AC-GAN on CIFAR-10. Odena, Olah and Shlens 2017, arXiv:1610.09585.

Only the generator is given the class; the discriminator predicts whether an image is real and which class it belongs
to, and both players minimise the cross-entropy of that class (section 3, eqs. 2 and 3).
The authors published no code. From the appendix's table for CIFAR-10, at second hand and not checked against the paper:
the feature maps, kernels and strides of both networks, BatchNorm, LeakyReLU(0.2), dropout 0.5 on the output of every
convolution of the discriminator, a generator input of 110 numbers, weights N(0, 0.02), Adam 2e-4 (0.5, 0.999), the
middle one of the table's three rates.
From memory of that table, not verified: activation noise of standard deviation 0, 0.1 or 0.2, of which 0.1 is the
default here.
Our choices, where it is silent: 100 of the 110 numbers are latents N(0, I), ten the one-hot class; the noise is added
to the images shown to the discriminator; padding keeps the image size; generated classes are drawn uniformly; BatchNorm
weights are initialised as in DCGAN. Batch 100 and 50 000 steps are in the recipe.
Deviations: the generator minimises the non-saturating loss, where the paper's L_S is the objective of both players
(every reimplementation does so); its turn omits the class loss of real images, which does not depend on it.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
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

    latent_dim: size of the latent without the class. class_weight: of the class loss in both players' turns. dropout,
    noise: in the discriminator.
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
