"""EIGGAN-inspired reconstruction from the abstract alone, the only part of the paper that is available.

tahvili2025 describes EIGGAN (CMC 2024, 80(1), 105-118) as spatial attention blocks, parallel residual operations and a
composite loss; the full text was not available, and its repository holds only equations of metrics.
Reproduced: those three names. Spatial attention is CBAM's (Woo et al. 2018, arXiv:1807.06521), parallel residual
operations are two upsampling paths whose outputs are added, the composite loss is Wasserstein with gradient penalty and
a feature-matching term.
Our choices: everything else: DCGAN networks, lambda 10, weight 0.1 of feature matching, Adam 1e-4 (0.5, 0.9), latents
N(0, I) of dimension 100, one step each. tahvili2025's tables contain none of its numbers; do not take ours for its.
Deviations from tahvili2025's description: no R1, which its section II has in the composite loss next to feature
matching; a constant learning rate, where its section V.C has a schedule inspired by EIGGAN's training. From the paper
itself: unknown.
Deterministic on a GPU: torch has deterministic kernels for convolutions, their second derivatives, batch norm and
nearest-neighbour upsampling.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.two_player import two_player
from papergan.networks.convolutional.dcgan import DCGANDiscriminator
from papergan.networks.convolutional.eiggan import EIGGANGenerator
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.feature_matching import FeatureMatching
from papergan.objectives.gradient_penalties import GradientPenalty


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    penalty: Annotated[float, Field(ge=0.0)] = 10.0,
    feature_matching: Annotated[float, Field(ge=0.0)] = 0.1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
) -> Game:
    """Build the game. penalty: lambda. feature_matching: its weight, 0 = off."""
    return two_player(
        generator=EIGGANGenerator(images, latent_dim, width),
        discriminator=DCGANDiscriminator(images, width, normalisation="none"),
        prior=Gaussian(latent_dim),
        loss=Wasserstein(),
        generator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_terms=[GradientPenalty(weight=penalty)],
        generator_terms=[FeatureMatching(weight=feature_matching)] if feature_matching else [],
    )
