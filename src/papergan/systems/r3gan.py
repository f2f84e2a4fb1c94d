"""R3GAN. Huang, Gokaslan, Kuleshov and Tompkin 2024, arXiv:2501.05441: a modern baseline, conditional as on CIFAR-10.

Reproduced, from the authors' code (preset CIFAR10, with labels): the relativistic pairing loss with R1 and R2; residual
networks without normalisation (`papergan.networks.residual.resnext`), four stages of width 768, 96 groups and two
blocks; latents N(0, I) of dimension 64 and a class embedding of the same size; the fakes have the classes of the reals
that they are paired with; Adam with beta1 0; over 20 million images, along half a cosine: rate 2e-4 to 5e-5, gamma 0.05
to 0.005, beta2 0.9 to 0.99, augmentation probability 0 to 0.55, the average's half-life 0 to 5 million images;
augmentation of pixels, geometry, colours (each with half of the probability) and cutout; no bound on the generator's
images. Batch 512 is in the recipe.
Deviations: the generator's step sees the discriminator's real images, theirs others of the same distribution; the
augmentation probability is that of the previous step; the average's half-life counts images as `HalfLife` does.
Deterministic on a GPU: convolutions, transposed convolutions, matrix products, and the resampling of
`affine_resampling`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled
from papergan.game.ema import EMA
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.schedules import CosineDecay, HalfLife
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.networks.residual.resnext import ResNeXtDiscriminator, ResNeXtGenerator
from papergan.objectives.adaptive_augmentation.probability import ScheduledProbability
from papergan.objectives.adaptive_augmentation.transformations import AdaptiveAugment
from papergan.objectives.adversarial import RelativisticPairing
from papergan.objectives.gradient_penalties import R1, R2

TRAITS = frozenset({"needs_labels", "unbounded_output"})
Width = Annotated[int, Field(ge=8, multiple_of=8)]
COLOURS = ("brightness", "contrast", "luma_flip", "hue", "saturation")


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 64,
    width: Width = 768,
    stage_widths: Annotated[tuple[Width, ...], Field(strict=False)] = (),
    blocks: Annotated[int, Field(ge=1, le=100)] = 2,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    final_learning_rate: Annotated[float, Field(gt=0.0)] = 5e-5,
    gamma: Annotated[float, Field(ge=0.0)] = 0.05,
    final_gamma: Annotated[float, Field(ge=0.0)] = 0.005,
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
    final_beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99,
    augmentation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.55,
    half_life: Annotated[float, Field(gt=0.0)] = 5e6,
    decay_images: Annotated[float, Field(gt=0.0)] = 2e7,
) -> Game:
    """Build the game. A group of the convolutions is 8 channels of `width`, twice as many inside a block.

    width: of every stage. stage_widths: one for each stage instead, from 4x4 on; their preset for 64x64 ends with 384.
    augmentation: the final probability, 0 = none. half_life: the final one. decay_images: length of all schedules.
    """
    widths = stage_widths or width
    decay = CosineDecay(learning_rate, final_learning_rate, decay_images)
    beta = CosineDecay(beta2, final_beta2, decay_images)
    weight = CosineDecay(gamma, final_gamma, decay_images)
    match, loss = Match(discriminator_input=Labelled()), RelativisticPairing()
    probability = ScheduledProbability(CosineDecay(0.0, augmentation, decay_images))
    shares = dict.fromkeys(COLOURS, 0.5)
    players = {
        name: Player((name,), adam(learning_rate, (0.0, beta2)), decay, schedules={"beta2": beta})
        for name in ("discriminator", "generator")
    }
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": WithChoice(Gaussian(latent_dim), images.num_classes, from_batch=True),
                "generator": ResNeXtGenerator(images, latent_dim, widths, blocks, classes=images.num_classes),
                "discriminator": ResNeXtDiscriminator(images, widths, blocks, classes=images.num_classes),
            }
        ),
        players=players,
        turns=(
            Turn(
                "discriminator",
                (
                    DiscriminatorLoss(loss, match=match),
                    R1(weight=weight, match=match),
                    R2(weight=weight, match=match),
                ),
            ),
            Turn("generator", (GeneratorLoss(loss, match=match),)),
        ),
        controllers={"augmentation": probability} if augmentation else {},
        augment=AdaptiveAugment(probability, "bgco", shares) if augmentation else None,
        showcase=match,
        average=EMA(HalfLife(CosineDecay(0.0, half_life, decay_images))),
    )
