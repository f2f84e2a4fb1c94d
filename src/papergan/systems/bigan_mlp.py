"""BiGAN on permutation-invariant MNIST, and its latent regressors. Donahue et al. 2017, arXiv:1605.09782.

Reproduced, every number from the authors' code (jeffdonahue/bigan, train_mnist.sh): latents U(-1, 1) of dimension 50;
fully connected networks of width 1 024, see `networks.bigan_mlp`; Adam 2e-4 with beta1 0.5 and weight decay 2.5e-5 for
all; after 200 epochs the rate falls exponentially to a hundredth over 200 more. objective: "bigan", generator and
encoder against a discriminator of pairs; "latent_regressor", a GAN on images whose encoder learns to predict the latent
of a generated image with a cross-entropy loss; "joint_latent_regressor", where the generator also minimises a quarter
of that loss. Batch 128 and 400 epochs are in the recipes.
Deviations: the authors update all players at once, on the same latents; here the discriminator is updated first
(together with the encoder of "latent_regressor"), then the generator on new latents. The discriminator features and the
autoencoders of table 1 are not implemented.
The published measure is the accuracy of a nearest-neighbour classifier in the encoder's last hidden layer (table 1):
each image gets the class of its nearest training image.
Deterministic on a GPU: torch has deterministic kernels for matrix products and batch norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Pairs
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Uniform
from papergan.game.schedules import EpochDecay
from papergan.game.step_context import StepContext
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Term
from papergan.networks.fully_connected.bigan_mlp import BiGANDiscriminator, BiGANEncoder, BiGANGenerator
from papergan.objectives.adversarial import NonSaturating, SwappedSides

TRAITS = frozenset({"codes"})

Objective = Literal["bigan", "latent_regressor", "joint_latent_regressor"]


def build(
    images: ImageSpec,
    *,
    objective: Objective = "bigan",
    latent_dim: Annotated[int, Field(ge=1)] = 50,
    width: Annotated[int, Field(ge=4)] = 1024,
    regression_weight: Annotated[float, Field(ge=0.0)] = 0.25,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    weight_decay: Annotated[float, Field(ge=0.0)] = 2.5e-5,
    decay_from_epoch: Annotated[int, Field(ge=0)] = 200,
    decay_epochs: Annotated[int, Field(ge=1)] = 200,
) -> Game:
    """Build the game. regression_weight: in the generator's objective, only of "joint_latent_regressor"."""
    pairs = objective == "bigan"
    match = Match(discriminator_input=Pairs() if pairs else None)
    optimiser = adam(learning_rate, (beta1, 0.999), weight_decay=weight_decay)
    rate = EpochDecay(learning_rate, decay_from_epoch, decay_epochs)
    alone, with_generator = (("encoder",), ()) if objective == "latent_regressor" else ((), ("encoder",))
    regression = LatentRegression(match=match, weight=regression_weight)
    loss = SwappedSides() if pairs else NonSaturating()
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": Uniform(latent_dim),
                "generator": BiGANGenerator(images, latent_dim, width),
                "encoder": BiGANEncoder(images, latent_dim, width, zero=not pairs),
                "discriminator": BiGANDiscriminator(images, latent_dim if pairs else None, width),
            }
        ),
        players={
            "discriminator": Player(("discriminator", *alone), optimiser, rate),
            "generator": Player(("generator", *with_generator), optimiser, rate),
        },
        turns=(
            Turn(
                "discriminator",
                (DiscriminatorLoss(loss, match=match, weight=0.5), *(LatentRegression(match=match) for _ in alone)),
            ),
            Turn(
                "generator",
                (
                    GeneratorLoss(loss, match=match, weight=0.5 if pairs else 1.0),
                    *([regression] if objective == "joint_latent_regressor" else []),
                ),
            ),
        ),
        showcase=match,
        encoder="encoder",
    )


@dataclass(frozen=True)
class LatentRegression(Term):
    """Cross-entropy of (z + 1) / 2 and the encoder's prediction from G(z), averaged over batch and dimensions.

    Source: Donahue et al. 2017, section 4 ("latent regressor"); the form for uniform latents as in the authors' code.
    """

    def __call__(self, context: StepContext) -> Tensor:
        (latent,) = context.latent(self.match)
        logits = context.network("encoder").logits(context.augmented_fake(self.match))  # type: ignore[operator]
        return binary_cross_entropy_with_logits(logits, (latent + 1.0) / 2.0)
