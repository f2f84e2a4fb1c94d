"""SRGAN: super-resolution. Ledig et al. 2017, arXiv:1609.04802.

Reproduced: SRResNet of 16 blocks of width 64, trained alone on the squared error for `pretraining_steps`; then against
the paper's discriminator with a content loss and 1e-3 times the adversarial one, non-saturating, one step each, the
discriminator first; Adam 1e-4 (0.9, 0.999), in the second stage 1e-4 for `steps_at_full_rate`, then a tenth of it.
Batch 16 is in the recipe. With `adversarial: 0` it is SRResNet alone.
The content loss of the paper's SRGAN is `vgg19`: the squared distance between the feature maps of VGG19's conv5_4 after
activation, divided by 12.75 (sections 2.2.1 and 3.2), with `content_weight: 1.0` and `pixel_weight: 0.0`; it needs a
file with these weights, `evaluation.vgg19_weights`. The paper's SRGAN-MSE is `pixels`.
Deviations: VGG19's input is normalised as in the training of its weights, which the paper does not mention. To avoid
third-party weights, the content loss can use the data set's own classifier, `domain_classifier`, the mean squared
distance between the feature maps of its groups, or `discriminator`, the L1 distance between the discriminator's
features of the two images of a pair; each with a small part of the squared error. Inputs are in [-1, 1], theirs in [0,
1]. The optimiser's moments carry over to the second stage.
Deterministic on a GPU: torch has deterministic kernels for convolutions, batch norm and matrix products.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import InputImages
from papergan.game.schedules import Between, PiecewiseConstant
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Term
from papergan.networks.image_to_image.super_resolution import SRDiscriminator, SRResNet
from papergan.networks.image_to_image.translation import only_input
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.fixed_features import FixedFeatureDistance, FixedFeatures
from papergan.objectives.translation import PairDistance, PairFeatureDistance

TRAITS = frozenset({"translates", "unbounded_output"})


def build(
    images: ImageSpec,
    *,
    width: Annotated[int, Field(ge=4)] = 64,
    discriminator_width: Annotated[int, Field(ge=4)] = 64,
    blocks: Annotated[int, Field(ge=1, le=256)] = 16,
    pretraining_steps: Annotated[int, Field(ge=0)] = 1_000_000,
    steps_at_full_rate: Annotated[int, Field(ge=1)] = 100_000,
    content: Literal["pixels", "discriminator", "domain_classifier", "vgg19"] = "pixels",
    content_weight: Annotated[float, Field(ge=0.0)] = 1.0,
    pixel_weight: Annotated[float, Field(ge=0.0)] = 0.1,
    adversarial: Annotated[float, Field(ge=0.0)] = 1e-3,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9,
) -> Game:
    """Build the game. blocks: of the generator. pretraining_steps: on the squared error alone.

    content: loss of the second stage; content_weight: its weight; pixel_weight: of the squared error that is added to a
    content loss on features. adversarial: 0 leaves the second stage out, and the discriminator unused.
    """
    given, match, loss = only_input(images), Match(), NonSaturating()
    pixels = PairDistance("l2", match=match)
    first, second = Between(0, pretraining_steps), Between(pretraining_steps)
    rate = PiecewiseConstant(learning_rate, ((pretraining_steps + steps_at_full_rate, learning_rate / 10),))
    terms: tuple[Term, ...] = (GeneratorLoss(loss, weight=adversarial, match=match),)
    if content == "pixels":
        terms += (PairDistance("l2", weight=content_weight, match=match),)
    else:
        distance: Term = PairFeatureDistance(weight=content_weight, match=match)
        if content != "discriminator":
            distance = FixedFeatureDistance(FixedFeatures(content), weight=content_weight, match=match)
        terms += (distance, PairDistance("l2", weight=pixel_weight, match=match))
    turns = [Turn("generator", (pixels,), when=first)] if pretraining_steps and adversarial else []
    if adversarial:
        turns += [
            Turn("discriminator", (DiscriminatorLoss(loss, match=match),), when=second),
            Turn("generator", terms, when=second),
        ]
    else:
        turns += [Turn("generator", (pixels,))]
    optimiser = adam(learning_rate, (beta1, 0.999))
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": InputImages(given.channels, given.size),
                "generator": SRResNet(given, images, width, blocks),
                "discriminator": SRDiscriminator(images, discriminator_width),
            }
        ),
        players={name: Player((name,), optimiser, rate) for name in ("discriminator", "generator")},
        turns=tuple(turns),
        showcase=match,
    )
