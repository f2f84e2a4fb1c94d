"""pix2pix: image translation learnt from pairs. Isola et al. 2017, arXiv:1611.07004.

Reproduced, from the paper and its authors' code: a U-Net with dropout 0.5 instead of latents against a patch
discriminator that sees the input next to the image; cross-entropy, halved in the discriminator's step, plus 100 times
the L1 distance to the pair's target image; Adam 2e-4 (0.5, 0.999); one step each, the discriminator first; weights N(0,
0.02). Depth 8 is for images of 256 pixels; the default goes down to one pixel.
Deviations: dropout is off when images are evaluated or exported, where theirs stays on; BatchNorm then uses statistics
of many batches of training, with dropout, where theirs uses those of the single image. Batches are larger in the
recipes, theirs are of one image; there are no random crops, theirs are of images enlarged by 12 %. Their first code
(phillipi/pix2pix, train.lua) halves only the discriminator's reported loss, not its gradient, and resets the biases of
convolutions to 0 before each step.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed convolutions, batch norm and matrix
products.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import WithInput
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import InputImages
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.networks.image_to_image.translation import MapNorm, PatchDiscriminator, UNet, only_input
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.translation import PairDistance

TRAITS = frozenset({"translates"})


def build(
    images: ImageSpec,
    *,
    width: Annotated[int, Field(ge=4)] = 64,
    discriminator_width: Annotated[int, Field(ge=4)] = 64,
    depth: Annotated[int, Field(ge=0, le=12)] = 0,
    discriminator_layers: Annotated[int, Field(ge=1, le=8)] = 3,
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    normalisation: MapNorm = "batch",
    l1: Annotated[float, Field(ge=0.0)] = 100.0,
    adversarial: Annotated[float, Field(ge=0.0)] = 1.0,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
) -> Game:
    """Build the game.

    depth: halvings of the U-Net; 0 = as many as the size allows, for powers of two down to one pixel. l1, adversarial:
    the generator's weights.
    discriminator_layers: halvings of the resolution in the discriminator.
    """
    given = only_input(images, 2**depth if depth else 2)
    if given.size != images.size:
        raise ValueError(f"inputs of {given.size} pixels become images of {images.size}: srgan is for other sizes")
    deepest = (images.size & -images.size).bit_length() - 1  # how often the size can be halved
    generator = UNet(given.channels, images.channels, width, depth or deepest, dropout=dropout, kind=normalisation)
    discriminator = PatchDiscriminator(
        images.channels + given.channels, images.size, discriminator_width, discriminator_layers, normalisation
    )
    match, optimiser, loss = (
        Match(discriminator_input=WithInput()),
        adam(learning_rate, (beta1, 0.999)),
        NonSaturating(),
    )
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": InputImages(given.channels, given.size),
                "generator": generator,
                "discriminator": discriminator,
            }
        ),
        players={name: Player((name,), optimiser) for name in ("discriminator", "generator")},
        turns=(
            Turn("discriminator", (DiscriminatorLoss(loss, weight=0.5, match=match),)),
            Turn(
                "generator",
                (GeneratorLoss(loss, weight=adversarial, match=match), PairDistance(weight=l1, match=match)),
            ),
        ),
        showcase=match,
    )
