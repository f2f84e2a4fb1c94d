"""CycleGAN: translation between two domains without pairs. Zhu et al. 2017, arXiv:1703.10593.

Reproduced, from the paper and its authors' code: two ResNet generators, two patch discriminators, instance norm; the
least-squares loss, halved in the discriminators' steps but not in the generators'; cycle consistency with weight 10
each way, identity loss with half of that; a pool of 50 generated images for each discriminator; Adam 2e-4 (0.5, 0.999),
constant for `constant_epochs` and then decaying linearly to 0 over `decay_epochs`; one step each, the generators'
first; weights N(0, 0.02). Six blocks are for images of 128 pixels, nine for 256.
Deviations: the discriminators see images generated after the generators' step, theirs images generated before it; the
rate decays with every step rather than with every epoch; batches are larger in the recipe, theirs are of one image;
there are no random crops, theirs are of images enlarged by 12 %. Their first code (junyanz/CycleGAN,
cycle_gan_model.lua) halves only the discriminators' reported loss, not its gradient, and takes the steps in the order
G, D of one direction, then of the other.
Deterministic on a GPU: convolutions, transposed convolutions and instance norm; torch has no deterministic kernel for
reflection padding.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import InputImages
from papergan.game.schedules import LinearEpochDecay
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss
from papergan.networks.image_to_image.directions import BothDirections
from papergan.networks.image_to_image.translation import PatchDiscriminator, ResNetTranslator, only_input
from papergan.objectives.adversarial import LeastSquares
from papergan.objectives.image_pool import ImagePool, Pooled
from papergan.objectives.translation import CycleConsistency, IdentityMapping

TRAITS = frozenset({"translates", "not_recordable"})
A_TO_B, B_TO_A = "generator.a_to_b", "generator.b_to_a"


def build(
    images: ImageSpec,
    *,
    width: Annotated[int, Field(ge=4)] = 64,
    discriminator_width: Annotated[int, Field(ge=4)] = 64,
    blocks: Annotated[int, Field(ge=1, le=64)] = 6,
    discriminator_layers: Annotated[int, Field(ge=1, le=8)] = 3,
    cycle: Annotated[float, Field(ge=0.0)] = 10.0,
    identity: Annotated[float, Field(ge=0.0)] = 0.5,
    pool: Annotated[int, Field(ge=1, le=10_000)] = 50,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    constant_epochs: Annotated[float, Field(ge=0.0)] = 100.0,
    decay_epochs: Annotated[float, Field(gt=0.0)] = 100.0,
) -> Game:
    """Build the game that translates the input images (A) to those of the data set (B), and back.

    identity: weight as a multiple of `cycle`. discriminator_layers: halvings of the resolution in the discriminators.
    pool: images in each pool.
    """
    given, channels, size = only_input(images, 4), images.channels, images.size
    if (given.channels, given.size) != (channels, size):
        raise ValueError(f"both domains must be {channels}x{size}x{size}, the inputs are {given.channels}x{given.size}")

    def discriminator() -> PatchDiscriminator:
        return PatchDiscriminator(channels, size, discriminator_width, discriminator_layers, "instance")

    pools = {name: ImagePool(pool, channels, size) for name in ("pool_b", "pool_a")}
    forward = Match(generator=A_TO_B, discriminator="discriminator_b")
    back = Match(generator=B_TO_A, discriminator="discriminator_a", source="image", real="input")
    shown_b = Match(A_TO_B, "discriminator_b", discriminator_input=Pooled(pools["pool_b"]))
    shown_a = Match(B_TO_A, "discriminator_a", "image", "input", Pooled(pools["pool_a"]))
    loss, optimiser = LeastSquares(half=False), adam(learning_rate, (beta1, 0.999))
    rate = LinearEpochDecay(learning_rate, constant_epochs, decay_epochs)
    terms = [
        term
        for match, other in ((forward, B_TO_A), (back, A_TO_B))
        for term in (
            GeneratorLoss(loss, match=match),
            CycleConsistency(other, weight=cycle, match=match),
            *([IdentityMapping(weight=cycle * identity, match=match)] if identity else []),
        )
    ]
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": InputImages(given.channels, given.size),
                "generator": BothDirections(*(ResNetTranslator(channels, channels, width, blocks) for _ in range(2))),
                "discriminator_a": discriminator(),
                "discriminator_b": discriminator(),
            }
        ),
        players={
            "generator": Player(("generator",), optimiser, rate),
            "discriminator": Player(("discriminator_a", "discriminator_b"), optimiser, rate),
        },
        turns=(
            Turn("generator", tuple(terms)),
            Turn("discriminator", tuple(DiscriminatorLoss(loss, match=match) for match in (shown_b, shown_a))),
        ),
        controllers=pools,
        showcase=Match(discriminator="discriminator_b"),
    )
