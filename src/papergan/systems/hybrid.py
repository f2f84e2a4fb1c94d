"""Hybrid GAN: AdaptiveMix, DiffAugment and EIGGAN-inspired parts in one game.

Tahvili, Nemati and Basiri 2025, IMPCS 21:1-11, doi 10.71856/IMPCS.2025.1215292 (tahvili2025).

Reproduced, as the paper states: transposed-convolution generator with BatchNorm and tanh, convolutional discriminator
with spectral normalisation, self-attention in both (V.A, V.C); Wasserstein loss with gradient penalty (V.F); R1 (V.C);
feature matching in the generator's objective (V.C); AdaptiveMix on pairs of real images in the discriminator (V.B);
DiffAugment with rotation, colour and cropping on real and fake (IV.C, V.D); EMA for all evaluation (V.E, eq. 3), with
the decay of its example, 0.999; step-based learning-rate schedule (V.C); 1 000 epochs (VII, in the recipe).

Deviation, in the recipe: the paper evaluates with test images "not seen during training" (VII), the recipe with the
training images, as most papers do; `evaluation.reference=test` compares with the test images.

Our choices, because the paper does not say: the SNDCGAN networks and their width; latent 128, N(0, I); attention at
half resolution; lambda 10, taken between augmented images; R1's gamma 0.1, every 16th step, in an optimiser step of its
own, also where r1_interval is 1; feature matching weight 1, L1 of batch means of the last feature map; AdaptiveMix
weight 1, cosine, noise 0.05, Beta(1, 1); rotation by 15 degrees, cropping as a shift by an eighth; Adam 2e-4 (0, 0.9);
halving every 200 epochs; one critic step; no horizontal flips; the average's BatchNorm statistics re-estimated before
use; no labels.

Contradictions in the paper: its eq. 1 is the minimax loss and V.F the Wasserstein loss (`loss` chooses; the recipes
hybrid_logistic and hybrid_minimax use the others); R1 pulls the critic's slope to 0, the gradient penalty to 1, and
spectral normalisation bounds it by 1; its description of DiffAugment (rotation, cropping) is not the method it cites
(`augmentation: color,translation,cutout` is); its AdaptiveMix is not the authors' (`adaptive_mix: official` is).

Deterministic on a GPU: torch has deterministic kernels for convolutions of both kinds, their second derivatives, batch
norm, attention and max pooling; it has none for the derivative of rotation and cropping, for which
`game.affine_resampling` has one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.augmentation import DiffAugment
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.schedules import StepDecay
from papergan.game.terms import Extra, Loss, Term
from papergan.game.two_player import two_player
from papergan.networks.convolutional.sndcgan import SNDCGANDiscriminator, SNDCGANGenerator
from papergan.networks.mixing import MixingDiscriminator
from papergan.objectives.adaptive_mix import FeatureShrinkage
from papergan.objectives.adversarial import Hinge, Minimax, NonSaturating, Wasserstein
from papergan.objectives.feature_matching import FeatureMatching
from papergan.objectives.gradient_penalties import GradientPenalty, lazy_penalties

LOSSES: dict[str, Loss] = {
    "wasserstein": Wasserstein(),
    "minimax": Minimax(),
    "non_saturating": NonSaturating(),
    "hinge": Hinge(),
}
Weight = Annotated[float, Field(ge=0.0)]  # 0 switches a component off


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    width: Annotated[int, Field(ge=4)] = 64,
    self_attention: bool = True,
    spectral_norm: bool = True,
    loss: Literal["wasserstein", "minimax", "non_saturating", "hinge"] = "wasserstein",
    gradient_penalty: Weight = 10.0,
    r1: Weight = 0.1,
    r1_interval: Annotated[int, Field(ge=1)] = 16,
    feature_matching: Weight = 1.0,
    adaptive_mix: Literal["plain", "official", "none"] = "plain",
    adaptive_mix_weight: Weight = 1.0,
    adaptive_mix_alpha: Annotated[float, Field(gt=0.0)] = 1.0,
    adaptive_mix_noise: Weight = 0.05,
    augmentation: str = "rotation,color,crop",
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
    decay_every_epochs: Annotated[float, Field(gt=0.0)] = 200.0,
    decay_factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5,
    critic_steps: Annotated[int, Field(ge=1)] = 1,
) -> Game:
    """Build the game.

    Every component can be switched off: a weight or decay of 0, an `augmentation` of "none", a False.
    """
    plain = SNDCGANDiscriminator(images, width, attention=self_attention, spectral=spectral_norm)
    discriminator: nn.Module = plain
    critic_terms: list[Term] = []
    generator_terms: list[Term] = []
    if gradient_penalty:
        critic_terms.append(GradientPenalty(weight=gradient_penalty))
    if adaptive_mix == "plain" and adaptive_mix_weight:
        critic_terms.append(
            FeatureShrinkage(alpha=adaptive_mix_alpha, noise_std=adaptive_mix_noise, weight=adaptive_mix_weight)
        )
    if adaptive_mix == "official" and adaptive_mix_weight:
        discriminator = MixingDiscriminator(plain, adaptive_mix_alpha, adaptive_mix_noise)
        critic_terms.append(Extra("mixing", real=True, fake=True, weight=adaptive_mix_weight))
        generator_terms.append(Extra("mixing", fake=True, weight=adaptive_mix_weight))
    if feature_matching:
        generator_terms.append(FeatureMatching(weight=feature_matching))
    rate = StepDecay(learning_rate, decay_every_epochs, decay_factor)
    return two_player(
        generator=SNDCGANGenerator(images, latent_dim, width, attention=self_attention),
        discriminator=discriminator,
        prior=Gaussian(latent_dim),
        loss=LOSSES[loss],
        generator_optimiser=adam(learning_rate, (beta1, beta2)),
        discriminator_optimiser=adam(learning_rate, (beta1, beta2)),
        generator_learning_rate=rate,
        discriminator_learning_rate=rate,
        generator_terms=generator_terms,
        discriminator_terms=critic_terms,
        lazy_turns=lazy_penalties(r1_interval, r1=r1),
        discriminator_steps=critic_steps,
        augment=None if augmentation == "none" else DiffAugment(augmentation),
        average=EMA(ema_decay) if ema_decay else None,
    )
