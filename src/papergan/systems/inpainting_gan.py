"""A GAN that fills holes. Pathak et al. 2016, arXiv:1604.07379; Iizuka et al. 2017, doi:10.1145/3072959.3073659.

From the first (context encoders) and its code (pathak22/context-encoder, train.lua): 0.999 times the squared error of
the missing pixels, 0.001 times the adversarial loss, Adam (0.5, 0.999), the generator's rate ten times the
discriminator's; the generator's pixels are used only in the hole. From the second: one discriminator for the whole
image and one for the hole and its surroundings. Both scores enter the loss here, where theirs are joined by a linear
layer. Training starts with reconstruction alone, for `pretraining_steps`.
Deviations: the network is CycleGAN's residual one on the image and its mask, so that images may have any size that is a
multiple of 4; theirs have a bottleneck of vectors, or dilated convolutions. Holes are squares of one size. Rates of
2e-4 and 2e-5, where the first one's code has 2e-3 and 2e-4; that code's only discriminator sees the content of the
hole, and its squared error counts ten times in a border that the prediction shares with the surroundings, which is left
out here.
Deterministic on a GPU: everything except reflection padding, for which torch has no deterministic kernel.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import InputImages
from papergan.game.schedules import Between
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.networks.image_to_image.translation import FilledIn, PatchDiscriminator, ResNetTranslator, only_input
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.inpainting import AroundTheHole, HoleDistance

TRAITS = frozenset({"translates"})


def build(
    images: ImageSpec,
    *,
    width: Annotated[int, Field(ge=4)] = 64,
    discriminator_width: Annotated[int, Field(ge=4)] = 64,
    blocks: Annotated[int, Field(ge=1, le=64)] = 6,
    discriminator_layers: Annotated[int, Field(ge=1, le=8)] = 3,
    local_layers: Annotated[int, Field(ge=1, le=8)] = 2,
    hole: Annotated[int, Field(ge=2)] = 16,
    reconstruction: Annotated[float, Field(ge=0.0)] = 0.999,
    adversarial: Annotated[float, Field(ge=0.0)] = 0.001,
    pretraining_steps: Annotated[int, Field(ge=0)] = 0,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    discriminator_learning_rate: Annotated[float, Field(gt=0.0)] = 2e-5,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game. hole: side of what the local discriminator sees, at least `input.hole` of the recipe.

    discriminator_layers, local_layers: halvings of the resolution in the global and in the local discriminator.
    """
    given, channels, size = only_input(images, 4), images.channels, images.size
    if (given.channels, given.size) != (channels + 1, size):
        raise ValueError(
            f"the input must be the image and its mask, {channels + 1}x{size}x{size}, as input: {{kind: masked}} makes "
            f"it; it is {given.channels}x{given.size}x{given.size}"
        )
    if hole > size:
        raise ValueError(f"hole: the local discriminator cannot see {hole} pixels of images of {size}; give fewer")
    match = Match()
    local = Match(discriminator="local_discriminator", discriminator_input=AroundTheHole(hole))
    loss = NonSaturating()
    first, second = Between(0, pretraining_steps), Between(pretraining_steps)
    distance = HoleDistance(weight=reconstruction, match=match)
    turns = [Turn("generator", (distance,), when=first)] if pretraining_steps else []
    turns += [
        Turn("discriminator", tuple(DiscriminatorLoss(loss, match=one) for one in (match, local)), when=second),
        Turn(
            "generator",
            (distance, *(GeneratorLoss(loss, weight=adversarial / 2, match=one) for one in (match, local))),
            when=second,
        ),
    ]
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": InputImages(given.channels, given.size),
                "generator": FilledIn(ResNetTranslator(given.channels, channels, width, blocks)),
                "discriminator": PatchDiscriminator(
                    channels, size, discriminator_width, discriminator_layers, "instance"
                ),
                "local_discriminator": PatchDiscriminator(
                    channels, hole, discriminator_width, local_layers, "instance"
                ),
            }
        ),
        players={
            "discriminator": Player(
                ("discriminator", "local_discriminator"), adam(discriminator_learning_rate, (beta1, 0.999))
            ),
            "generator": Player(("generator",), adam(learning_rate, (beta1, 0.999))),
        },
        turns=tuple(turns),
        showcase=match,
    )
