"""ALI, adversarially learned inference. Dumoulin et al. 2017, arXiv:1606.00704.

Reproduced: an encoder q(z | x) = N(mu(x), sigma(x)^2) trained together with the generator, a discriminator of (image,
latent) pairs, and the game of the paper's algorithm 1, in which the encoder's and the generator's pairs are each
trained to be taken for the other's; Adam 1e-4 with beta1 0.5, latents N(0, I) of dimension 64, no BatchNorm in the
discriminator. Batch 100 is in the recipe.
Deviations: DCGAN-like networks of three stages, with LeakyReLU instead of the paper's maxout and 1x1 convolutions, and
ReLU in the generator, theirs LeakyReLU(0.1); images in [-1, 1] with tanh, theirs in [0, 1] with a sigmoid whose biases
start at the mean pixels; weights N(0, 0.02), theirs 0.01; dropout 0.2 after all layers of the discriminator but the
first, theirs 0.2 on its inputs and 0.5 after its layers. The players are updated one after the other, the second on new
latents, where their code takes both gradients from one forward pass. Their 6 475 epochs (table 3 of their appendix) are
100 in the recipe.
No discriminator accuracy is reported, since its inputs are pairs.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Pairs
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.networks.convolutional.dcgan import DCGANGenerator
from papergan.networks.convolutional.encoding import Encoder, PairDiscriminator
from papergan.objectives.adversarial import SwappedSides

TRAITS = frozenset({"codes"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 64,
    width: Annotated[int, Field(ge=4)] = 64,
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. dropout: the discriminator's."""
    return assemble(
        images, latent_dim, width, stochastic=True, dropout=dropout, learning_rate=learning_rate, beta1=beta1
    )  # fmt: skip


def assemble(
    images: ImageSpec, latent_dim: int, width: int, *, stochastic: bool, dropout: float, learning_rate: float,
    beta1: float,
) -> Game:  # fmt: skip
    """A generator and an encoder against a discriminator of pairs."""
    match, optimiser = Match(discriminator_input=Pairs()), adam(learning_rate, (beta1, 0.999))
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": Gaussian(latent_dim),
                "generator": DCGANGenerator(images, latent_dim, width),
                "encoder": Encoder(images, latent_dim, width, stochastic=stochastic),
                "discriminator": PairDiscriminator(images, latent_dim, width, dropout=dropout),
            }
        ),
        players={
            "discriminator": Player(("discriminator",), optimiser),
            "generator": Player(("generator", "encoder", "prior"), optimiser),
        },
        turns=(
            Turn("discriminator", (DiscriminatorLoss(SwappedSides(), match=match),)),
            Turn("generator", (GeneratorLoss(SwappedSides(), match=match),)),
        ),
        showcase=match,
        encoder="encoder",
    )
