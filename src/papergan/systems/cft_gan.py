"""The proposed GAN of song2023: common feature training, mean rescaling and edge loss.

Song and Kim, GAN-based Image Generation Techniques Exploiting Latent Vector Distribution and Edge Loss Methods on
Limited Datasets. The paper names no system; this name is ours.

Reproduced, each part with a switch: latents through a linear layer N -> N + FD that is trained with the generator (eq.
1); a random mean from [-1, 1] for every latent (eq. 2); the edge loss of eq. 3 literally; Adam 1e-2. Batch 32 is in
the recipe.
Deviation: the generator's adversarial loss is by default the non-saturating -E log D(G(z)), as in DCGAN's own paper and
its baselines here; eq. 3 has the minimax loss, E log(1 - D(G(z))), which is `loss: minimax`.
edge_loss "literal" is that of eq. 3, a sum of squared pixel differences to an unrelated real image, without edges in it
and without a gradient for the discriminator; "sobel" is what the words of section 3.3 describe, for the generator;
"discriminator" shows edges to the discriminator, so that it can take shape into account as section 3.3 says it does.
The last two are ours.
Our choices, where the paper is silent (networks, image size, N, betas, weight of the edge loss): the networks of
`dcgan` with width 64, N = 100, betas 0.5 and 0.999, weight 1, FD = 1, where its search begins;
`kedro run --pipelines fd_search` is that search.
Deterministic on a GPU: as `dcgan`; it adds a linear layer and sums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.terms import Term
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator, DCGANGenerator
from papergan.networks.edges import EdgeAware
from papergan.objectives.adversarial import Minimax, NonSaturating
from papergan.objectives.edges import LiteralEdge, SobelEdge
from papergan.objectives.learned_priors import CommonFeatures, PriorActivation, Rescaling


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    common_features: bool = True,
    feature_differences: Annotated[int, Field(ge=1)] = 1,
    activation: PriorActivation = "none",
    mean_rescaling: Rescaling = "scalar",
    edge_loss: Literal["none", "literal", "sobel", "discriminator"] = "literal",
    edge_weight: Annotated[float, Field(gt=0.0)] = 1.0,
    loss: Literal["non_saturating", "minimax"] = "non_saturating",
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-2,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    latent_dim: N. feature_differences: FD, unused without common_features. edge_weight: used if edge_loss is literal or
    sobel.
    """
    input_images = replace(images, channels=images.channels + 1) if edge_loss == "discriminator" else images
    differences = feature_differences if common_features else None
    generator = DCGANGenerator(images, latent_dim + (differences or 0), width)
    discriminator = DCGANDiscriminator(input_images, width)
    prior = CommonFeatures(latent_dim, differences, activation=activation, rescaling=mean_rescaling)
    generator_terms: list[Term] = []
    discriminator_terms: list[Term] = []
    if edge_loss == "literal":
        generator_terms.append(LiteralEdge(weight=edge_weight))
        discriminator_terms.append(LiteralEdge(weight=-edge_weight))  # the discriminator maximises eq. 3
    elif edge_loss == "sobel":
        generator_terms.append(SobelEdge(weight=edge_weight))
    return two_player(
        generator=generator,
        discriminator=EdgeAware(discriminator) if edge_loss == "discriminator" else discriminator,
        prior=prior,
        loss=Minimax() if loss == "minimax" else NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        generator_terms=generator_terms,
        discriminator_terms=discriminator_terms,
    )
