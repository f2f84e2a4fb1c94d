"""InfoGAN on MNIST. Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel 2016, arXiv:1606.03657.

Reproduced, every number from the authors' code (openai/InfoGAN, launchers/run_mnist_exp.py): 62 noise variables U(-1,
1), a categorical code of 10 values and two continuous ones U(-1, 1); the networks of the paper's appendix C.1, weights
N(0, 0.02); the non-saturating loss; the bound on the mutual information of both kinds of code, each with weight 1, in
the losses of both players; Adam with beta1 0.5, 2e-4 for the discriminator and the layers that read the codes, 1e-3 for
the generator. Batch 128 and 50 times 100 steps are in the recipe.
The paper contradicts its code on two points: section 6 scales the information of continuous codes down, the code does
not; LeakyReLU has slope 0.1 in the appendix, 0.01 in the code. The code is followed.
Deviations, neither of which can change a result: layers before BatchNorm have no biases; the second half of the
authors' output for continuous codes, a standard deviation that is never read, is left out.
The published result on MNIST is the error of the categorical code as a class label, about 5 % (section 7.2).
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Uniform
from papergan.game.two_player import two_player
from papergan.networks.convolutional.infogan import InfoGANDiscriminator, InfoGANGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.mutual_information import CategoricalInformation, ContinuousInformation, WithCodes

TRAITS = frozenset({"codes"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 62,
    categories: Annotated[int, Field(ge=2)] = 10,
    continuous_codes: Annotated[int, Field(ge=1)] = 2,
    width: Annotated[int, Field(ge=4)] = 64,
    categorical_weight: Annotated[float, Field(ge=0.0)] = 1.0,
    continuous_weight: Annotated[float, Field(ge=0.0)] = 1.0,
    generator_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3,
    discriminator_learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. latent_dim: of the noise. *_weight: of the mutual information, in both players' losses."""
    information = (
        CategoricalInformation(weight=categorical_weight),
        ContinuousInformation(weight=continuous_weight),
    )
    return two_player(
        generator=InfoGANGenerator(images, latent_dim + categories + continuous_codes, width),
        discriminator=InfoGANDiscriminator(images, categories, continuous_codes, width),
        prior=WithCodes(Uniform(latent_dim), categories, continuous_codes),
        loss=NonSaturating(),
        generator_optimiser=adam(generator_learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(discriminator_learning_rate, (beta1, 0.999)),
        generator_terms=information,
        discriminator_terms=information,
        encoder="discriminator",
    )
