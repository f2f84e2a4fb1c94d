"""Hybrid GAN, best effort: the techniques of tahvili2025 on networks and settings that reach its FID in less time.

Not from the paper: every number here is our choice. Kept from it: self-attention, AdaptiveMix on real pairs,
DiffAugment, lazy R1, spectral normalisation, EMA; no labels. Changed: residual networks (Miyato et al. 2018,
arXiv:1802.05957, table 4, generator width 256, discriminator width 128), hinge loss without gradient penalty or feature
matching, DiffAugment's own policy without colour, three discriminator steps, twice as many fakes as reals in the
generator's step, linear decay of the learning rate over the last 40 % of 50 000 steps, an EMA with a half-life in
images and the ramp of Karras et al. 2020 (arXiv:1912.04958), since one with a fixed decay lags in a short training run
(`hybrid_fast_study`).
Off by default, for that study: the relativistic pairing loss with R2 in addition to R1 (Huang et al. 2024,
arXiv:2501.05441), and the EMA with a decay of 0.9999 after 2 000 steps.

Deterministic on a GPU: torch has deterministic kernels for convolutions, their second derivatives, batch norm,
attention, max and mean pooling and nearest-neighbour upsampling; it has none for the derivative of translation, for
which `game.affine_resampling` has one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.augmentation import DiffAugment
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.schedules import HalfLife, LinearDecay, PiecewiseConstant
from papergan.game.two_player import two_player
from papergan.networks.residual.resnet import ResNetDiscriminator, ResNetGenerator
from papergan.objectives.adaptive_mix import FeatureShrinkage
from papergan.objectives.adversarial import Hinge, RelativisticPairing
from papergan.objectives.feature_matching import FeatureMatching
from papergan.objectives.gradient_penalties import lazy_penalties
from papergan.systems.hybrid import Weight

RAMP = 0.05  # the longest half-life, as a share of the images seen


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    generator_width: Annotated[int, Field(ge=8, multiple_of=8)] = 256,
    discriminator_width: Annotated[int, Field(ge=8, multiple_of=8)] = 128,
    self_attention: bool = True,
    loss: Literal["hinge", "relativistic"] = "hinge",
    r1: Weight = 0.01,
    r2: Weight = 0.0,
    r1_interval: Annotated[int, Field(ge=1)] = 16,
    feature_matching: Weight = 0.0,
    adaptive_mix_weight: Weight = 0.2,
    augmentation: str = "translation,cutout",
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9999,
    ema_warmup_steps: Annotated[int, Field(ge=0)] = 2000,
    ema_half_life: Weight = 500_000.0,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    decay_from_step: Annotated[int, Field(ge=0)] = 30_000,
    decay_to_step: Annotated[int, Field(ge=1)] = 50_000,
    discriminator_steps: Annotated[int, Field(ge=1)] = 3,
    fakes_per_real: Annotated[int, Field(ge=1)] = 2,
) -> Game:
    """Build the game. A weight or decay of 0, or an `augmentation` of "none", switches a component off.

    r1_interval: steps between two turns of the penalties R1 and R2, and the factor by which their weights are
    multiplied. ema_half_life: in images; 0 = the decay and its warm-up are used.
    """
    if loss == "relativistic" and fakes_per_real != 1:
        raise ValueError(
            f"relativistic loss: every fake is paired with one real, fakes_per_real is 1, got {fakes_per_real}"
        )
    rate = LinearDecay(learning_rate, decay_from_step, decay_to_step)
    decay = (
        HalfLife(ema_half_life, RAMP) if ema_half_life else PiecewiseConstant(0.999, ((ema_warmup_steps, ema_decay),))
    )
    return two_player(
        generator=ResNetGenerator(images, latent_dim, generator_width, attention=self_attention),
        discriminator=ResNetDiscriminator(images, discriminator_width, attention=self_attention),
        prior=Gaussian(latent_dim),
        loss=Hinge() if loss == "hinge" else RelativisticPairing(),
        generator_optimiser=adam(learning_rate, (0.0, 0.9)),
        discriminator_optimiser=adam(learning_rate, (0.0, 0.9)),
        generator_learning_rate=rate,
        discriminator_learning_rate=rate,
        generator_terms=[FeatureMatching(weight=feature_matching)] if feature_matching else [],
        discriminator_terms=[FeatureShrinkage(weight=adaptive_mix_weight)] if adaptive_mix_weight else [],
        lazy_turns=lazy_penalties(r1_interval, r1=r1, r2=r2),
        discriminator_steps=discriminator_steps,
        fakes_per_real=fakes_per_real,
        augment=None if augmentation == "none" else DiffAugment(augmentation),
        average=EMA(decay) if ema_decay else None,
    )
