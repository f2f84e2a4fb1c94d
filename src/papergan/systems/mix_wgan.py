"""MIX+WGAN. Arora, Ge, Liang, Ma and Zhang 2017, arXiv:1703.00573.

Reproduced: five generators and five critics, mixture weights that are the softmax of initially equal logits and are
trained with their player, the payoff of every pair weighted by both (eq. 4), the regulariser -1/T sum log w that keeps
weights away from 0, with weight 0.1; samples come from generator i with probability w_i. WGAN's loss, clipping and
RMSProp, see `wgan`.
Our choices: WGAN's DCGAN networks at half its width; each generator makes a fifth of the batch, so that a payoff is
estimated from fewer samples and a step costs five critics rather than twenty-five.
Deviations: the authors' released code is MIX+DCGAN with labels; the row with 4.04 in tahvili2025's table IV is their
MIX+WGAN, for which no settings are given.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Player, Turn
from papergan.game.optimisers import Clip, optimiser
from papergan.game.priors import Gaussian
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.mixture import (
    EvenWeights,
    Members,
    MixtureDiscriminator,
    MixtureGenerator,
    MixturePayoff,
    MixturePrior,
    MixtureWeights,
)


def build(
    images: ImageSpec,
    *,
    components: Annotated[int, Field(ge=1)] = 5,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 32,
    clip: Annotated[float, Field(gt=0.0)] = 0.01,
    critic_steps: Annotated[int, Field(ge=1)] = 5,
    even: Annotated[float, Field(ge=0.0)] = 0.1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-5,
) -> Game:
    """Build the game. components: T, the number of generators and of critics. even: weight of the regulariser."""

    def clip_members(network: nn.Module) -> None:
        if isinstance(network, Members):  # not the mixture's weights
            Clip(clip)(network)

    loss, make_optimiser = Wasserstein(), optimiser("rmsprop", learning_rate)
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": MixturePrior(Gaussian(latent_dim), components),
                "generator": MixtureGenerator([DCGANGenerator(images, latent_dim, width) for _ in range(components)]),
                "discriminator": MixtureDiscriminator([DCGANDiscriminator(images, width) for _ in range(components)]),
                "discriminator_weights": MixtureWeights(components),
            }
        ),
        players={
            "discriminator": Player(
                ("discriminator", "discriminator_weights"), make_optimiser, constraints=(clip_members,)
            ),
            "generator": Player(("generator", "prior"), make_optimiser),
        },
        turns=(
            Turn(
                "discriminator",
                (MixturePayoff(loss, "discriminator"), EvenWeights("discriminator_weights", weight=even)),
                repeats=critic_steps,
            ),
            Turn("generator", (MixturePayoff(loss, "generator"), EvenWeights("prior", weight=even))),
        ),
    )
