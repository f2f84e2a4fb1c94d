"""Projection discriminator. Miyato and Koyama 2018, cGANs with Projection Discriminator, arXiv:1802.05637.

Reproduced, from the authors' code (configs/sn_cifar10_conditional.yml): residual networks of width 256 and 128,
conditional BatchNorm in the generator's blocks, not in its last layer; spectral normalisation of every layer of the
discriminator, including its class embedding; the logit is a linear one plus the inner product of features and class
embedding; hinge loss, latents N(0, I) of dimension 128, Adam 2e-4 (0, 0.9) decaying linearly to 0 from the first step
on over 50 000 steps, five discriminator steps per generator step, twice as many fakes as reals in the generator's step,
classes of fakes drawn uniformly. Batch 64 is in the recipe.
Deviations: the discriminator is updated first, in theirs the generator; its linear layer has a bias, theirs has none;
BatchNorm's epsilon is 1e-5, theirs 2e-5; pixels x of real images are x / 127.5 - 1, theirs x / 128 - 1 plus U(0,
1/128).
Ours, off by default: a moving average of the generator and DiffAugment.
Deterministic on a GPU: as `hybrid_fast`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.augmentation import DiffAugment
from papergan.game.discriminator_input import Labelled
from papergan.game.ema import EMA
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.schedules import LinearDecay
from papergan.game.two_player import two_player
from papergan.networks.residual.resnet import ResNetDiscriminator, ResNetGenerator
from papergan.objectives.adversarial import Hinge

TRAITS = frozenset({"needs_labels"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    generator_width: Annotated[int, Field(ge=8)] = 256,
    discriminator_width: Annotated[int, Field(ge=8)] = 128,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    decay_to_step: Annotated[int, Field(ge=1)] = 50_000,
    discriminator_steps: Annotated[int, Field(ge=1)] = 5,
    fakes_per_real: Annotated[int, Field(ge=1)] = 2,
    augmentation: str = "none",
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0,
) -> Game:
    """Build the game. augmentation: DiffAugment's policy, "none" = off. ema_decay: of the generator, 0 = no average."""
    classes, rate = images.num_classes, LinearDecay(learning_rate, 0, decay_to_step)
    return two_player(
        generator=ResNetGenerator(images, latent_dim, generator_width, classes=classes),
        discriminator=ResNetDiscriminator(images, discriminator_width, classes=classes),
        prior=WithChoice(Gaussian(latent_dim), classes),
        loss=Hinge(),
        generator_optimiser=adam(learning_rate, (0.0, 0.9)),
        discriminator_optimiser=adam(learning_rate, (0.0, 0.9)),
        generator_learning_rate=rate,
        discriminator_learning_rate=rate,
        discriminator_steps=discriminator_steps,
        fakes_per_real=fakes_per_real,
        augment=None if augmentation == "none" else DiffAugment(augmentation),
        average=EMA(ema_decay) if ema_decay else None,
        match=Match(discriminator_input=Labelled()),
    )
