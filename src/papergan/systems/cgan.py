"""Conditional GAN. Mirza and Osindero 2014, Conditional Generative Adversarial Nets, arXiv:1411.1784.

Reproduced: its section 4.1. Latents from the unit hypercube, U(0, 1)^100, pass through a ReLU layer of 200 units,
one-hot classes through one of 1 000, both through a joint one of 1 200 to sigmoid outputs; the discriminator maps
pixels to 240 maxout units of 5 pieces, classes to 50 of 5, both to 240 of 4, and these to a logit. SGD on batches of
100, rate .1 / 1.00004^step, at least 1e-6, momentum from .5 to .7, dropout .5 in both players.
Our choices, where it is silent: what it shares with Goodfellow et al. 2014, its reference, is as in that paper's code,
see `maxout_gan`: initial weights in U(-.05, .05) and U(-.005, .005), biases of the sigmoids from the mean pixels,
halved cross-entropy, momentum growing over 250 epochs, simultaneous updates. Dropout is applied to hidden units, the
inputs of the last two layers, not to pixels, latents or classes. The generator's stays on in samples: without it the
latents change next to nothing, and every class is one image, unlike those of the paper's figure 2 (setting
`sampled_dropout`). Generated classes are drawn uniformly, in training and in samples.
Deviations: images are in [-1, 1] here and mapped, as in `maxout_gan`. The paper stops where the likelihood of
validation images is highest; here the recipe sets the training length, and the generator with the highest likelihood
during it is kept and scored next to the last one (`evaluation.parzen_while_training`).
Deterministic on a GPU: torch has deterministic kernels for matrix products, sums, maxima and elementwise functions.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled
from papergan.game.game import Game
from papergan.game.priors import Uniform, WithChoice, WithDropoutNoise
from papergan.game.schedules import EpochRamp, ExponentialDecay
from papergan.game.updates import Updates
from papergan.networks.fully_connected.maxout import (
    LabelledMaxoutDiscriminator,
    LabelledRectifiedGenerator,
    uniform_initialisation,
)
from papergan.systems.maxout_gan import Rate, Share, assemble

TRAITS = frozenset({"needs_labels"})

Width = Annotated[int, Field(ge=1)]


def build(
    images: ImageSpec,
    *,
    latent_dim: Width = 100,
    latent_width: Width = 200,
    class_width: Width = 1000,
    joint_width: Width = 1200,
    discriminator_width: Width = 240,
    discriminator_class_width: Width = 50,
    discriminator_joint_width: Width = 240,
    pieces: Width = 5,
    joint_pieces: Width = 4,
    generator_range: Rate = 0.05,
    discriminator_range: Rate = 0.005,
    dropout: Share = 0.5,
    sampled_dropout: bool = True,
    learning_rate: Rate = 0.1,
    decay: Annotated[float, Field(ge=1.0)] = 1.00004,
    least_learning_rate: Rate = 1e-6,
    momentum: Share = 0.5,
    final_momentum: Share = 0.7,
    momentum_epochs: Annotated[int, Field(ge=2)] = 250,
    updates: Updates = "simultaneous",
) -> Game:
    """Build the game; for the settings see `maxout_gan`.

    sampled_dropout: whether the generator's dropout stays on in samples.
    """
    generator = LabelledRectifiedGenerator(
        images, latent_dim, latent_width, class_width, joint_width, dropout, sampled_dropout=sampled_dropout
    )
    discriminator = LabelledMaxoutDiscriminator(
        images, discriminator_width, discriminator_class_width, discriminator_joint_width, dropout,
        pieces=pieces, joint_pieces=joint_pieces,
    )  # fmt: skip
    return assemble(
        uniform_initialisation(generator, generator_range),
        uniform_initialisation(discriminator, discriminator_range),
        WithChoice(WithDropoutNoise(Uniform(latent_dim, positive=True), generator.dropout_units), images.num_classes),
        rate=ExponentialDecay(learning_rate, decay, least_learning_rate),
        momentum=EpochRamp(momentum, final_momentum, momentum_epochs - 1),
        updates=updates,
        discriminator_input=Labelled(),
    )
