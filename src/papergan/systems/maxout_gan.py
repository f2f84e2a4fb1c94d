"""The original GAN on MNIST, with its own networks. Goodfellow et al. 2014, arXiv:1406.2661.

Reproduced: mnist.yaml of the authors' code (goodfeli/adversarial, with its __init__.py and sgd.py, and pylearn2): a
generator from U(-sqrt 3, sqrt 3)^100 through two ReLU layers of 1 200 to sigmoids whose biases start at the logits of
the mean pixels, other weights in U(-.05, .05); a discriminator of two maxout layers of 240 units of 5 pieces, weights
in U(-.005, .005), whose inputs are kept with probability .8 (pixels) and .5 and scaled by 1.25 and 2, in both players'
steps; the discriminator's cross-entropy halved, the generator's non-saturating; one step of each player on every batch
of 100, simultaneous, on the same generated images and dropout masks, with SGD of rate .1 / 1.000004^step, at least
1e-6, and momentum growing linearly from .5 in the first epoch to .7 in the 250th.
Deviations: images are in [-1, 1] here; sigmoids are mapped to that range and the discriminator maps images back to
0..1, so that it computes the same. Their training has no end, and the paper does not say when they stopped; in the
recipe it ends with the 250th epoch, when momentum has reached its final value. The velocity of momentum is torch's, in
units of the gradient, so that the decay of the rate takes effect at once.
Deterministic on a GPU: torch has deterministic kernels for matrix products, sums, maxima and elementwise functions.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import DiscriminatorInput
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import sgd
from papergan.game.priors import Prior, Uniform
from papergan.game.schedules import EpochRamp, ExponentialDecay
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.game.updates import Updates
from papergan.networks.fully_connected.maxout import (
    LabelledRectifiedGenerator,
    MaxoutDiscriminator,
    RectifiedGenerator,
    set_marginals,
    uniform_initialisation,
)
from papergan.objectives.adversarial import NonSaturating

Rate = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=1)] = 1200,
    discriminator_width: Annotated[int, Field(ge=1)] = 240,
    pieces: Annotated[int, Field(ge=1)] = 5,
    generator_range: Rate = 0.05,
    discriminator_range: Rate = 0.005,
    input_dropout: Share = 0.2,
    dropout: Share = 0.5,
    learning_rate: Rate = 0.1,
    decay: Annotated[float, Field(ge=1.0)] = 1.000004,
    least_learning_rate: Rate = 1e-6,
    momentum: Share = 0.5,
    final_momentum: Share = 0.7,
    momentum_epochs: Annotated[int, Field(ge=2)] = 250,
    updates: Updates = "simultaneous",
) -> Game:
    """Build the game. *_range: r of the initial weights, U(-r, r). decay: divisor of the rate after every step.

    momentum_epochs: the epoch, counted from 1, in which the momentum reaches its final value. updates: simultaneous, as
    in the authors' code, or alternating.
    """
    generator = uniform_initialisation(RectifiedGenerator(images, latent_dim, width), generator_range)
    discriminator = MaxoutDiscriminator(
        images, discriminator_width, pieces, input_dropout=input_dropout, dropout=dropout
    )
    return assemble(
        generator, uniform_initialisation(discriminator, discriminator_range), Uniform(latent_dim, math.sqrt(3.0)),
        rate=ExponentialDecay(learning_rate, decay, least_learning_rate),
        momentum=EpochRamp(momentum, final_momentum, momentum_epochs - 1), updates=updates,
    )  # fmt: skip


def assemble(
    generator: RectifiedGenerator | LabelledRectifiedGenerator,
    discriminator: nn.Module,
    prior: Prior,
    *,
    rate: ExponentialDecay,
    momentum: EpochRamp,
    updates: Updates,
    discriminator_input: DiscriminatorInput | None = None,
) -> Game:
    """The game on these networks: halved cross-entropy, SGD with momentum, output biases from the marginals."""
    match = Match(discriminator_input=discriminator_input)
    optimiser, schedules = sgd(rate.initial, momentum.initial), {"momentum": momentum}
    loss = NonSaturating()
    return Game(
        networks=nn.ModuleDict({"prior": prior, "generator": generator, "discriminator": discriminator}),
        players={
            name: Player((name,), optimiser, rate, schedules=schedules) for name in ("discriminator", "generator")
        },
        turns=(
            Turn("discriminator", (DiscriminatorLoss(loss, weight=0.5, match=match),)),
            Turn("generator", (GeneratorLoss(loss, match=match),)),
        ),
        showcase=match,
        start_from=partial(set_marginals, generator.output),
        updates=updates,
    )
