"""DCGAN with labels: the networks of Radford et al. 2015, arXiv:1511.06434, with the class of every image as input.

The row of 6.58 in tahvili2025's table IV is from the SteinGAN paper (Wang and Liu 2016, arXiv:1611.01722), which names
DCGAN with labels and does not say how they enter.
Reproduced: DCGAN's loss, latents and optimiser, see `dcgan`.
Our choice: the class as constant maps before every layer of the generator and every convolution of the discriminator
(Mirza and Osindero 2014, arXiv:1411.1784, in convolutional form); generated classes are drawn evenly, in training and
in samples. Three stages, for 32x32.
Deviations: what is ours. It uses labels, which no other row does: it stands apart in the comparison.
Deterministic on a GPU: convolutions, transposed ones, batch norm and products have such kernels in torch.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled, packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Uniform, WithChoice
from papergan.game.two_player import two_player
from papergan.networks.conditional import LabelledDiscriminator, LabelledGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.validation import Packing

TRAITS = frozenset({"needs_labels"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=4)] = 64,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    packing: Packing = 1,
) -> Game:
    """Build the game. packing: images, each with its class, per score."""
    return two_player(
        generator=LabelledGenerator(images, latent_dim, width),
        discriminator=LabelledDiscriminator(images.packed(packing), width),
        prior=WithChoice(Uniform(latent_dim), images.num_classes),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, (beta1, 0.999)),
        discriminator_optimiser=adam(learning_rate, (beta1, 0.999)),
        match=Match(discriminator_input=packed(packing, Labelled())),
    )
