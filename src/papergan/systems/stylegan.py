"""StyleGAN. Karras, Laine and Aila 2019, A Style-Based Generator Architecture, arXiv:1812.04948.

Reproduced, from the paper and the authors' code (NVlabs/stylegan, train.py and networks_stylegan.py): latents N(0, I)
of dimension 512, normalised; a mapping of 8 layers with a hundredth of the learning rate; a learned constant of 4x4;
after every layer noise with a strength per channel, leaky ReLU 0.2, instance normalisation and a style; 16384 / size
feature maps, at most 512; the mini-batch standard deviation in groups of 4; style mixing 0.9; the non-saturating
logistic loss with R1 of gamma 10 in every step; Adam 1e-3 (0, 0.99), their rate below 128x128; a half-life of 10 000
images for the average; the running mean of w with decay 0.995, for truncation.
Deviations: no progressive growing, the networks have their full size from the beginning (`structure = "fixed"` of their
code, and eventually StyleGAN2's choice); convolution and change of resolution are one operation with the filter [1, 3,
3, 1], which equals theirs except at the border; biases of mapping and discriminator are multiplied by sqrt(2), as in
StyleGAN2's code; the discriminator is updated first, in theirs the generator; in evaluation noise is a fixed map; the
mean of w is re-estimated for the averaged weights at export. Lazy R1 is a setting of ours, `r1_interval`.
Deterministic on a GPU: as `stylegan2`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.ema import EMA
from papergan.game.game import Game
from papergan.game.optimisers import adam, lazy_adam
from papergan.game.schedules import HalfLife
from papergan.game.style_generator import StyleGenerator, StyleLatents
from papergan.game.two_player import two_player
from papergan.networks.layers.styles import Mapping
from papergan.networks.style_based.stylegan import AdaINSynthesis
from papergan.networks.style_based.stylegan2 import StyleDiscriminator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.gradient_penalties import R1, lazy_penalties
from papergan.systems.hybrid import Weight
from papergan.systems.stylegan2 import Share

TRAITS = frozenset({"styles", "unbounded_output"})


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 512,
    mapping_layers: Annotated[int, Field(ge=1, le=100)] = 8,
    base_width: Annotated[int, Field(ge=64)] = 16_384,
    max_width: Annotated[int, Field(ge=1)] = 512,
    deviation_group: Annotated[int, Field(ge=1)] = 4,
    style_mixing: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9,
    r1: Weight = 10.0,
    r1_interval: Annotated[int, Field(ge=1)] = 1,
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3,
    beta1: Share = 0.0,
    beta2: Share = 0.99,
    mean_style_decay: Share = 0.995,
    half_life: Weight = 10_000.0,
) -> Game:
    """Build the game.

    latent_dim: dimension of z and of w. base_width, max_width: feature maps at a size, see `channels_at`. style_mixing:
    its probability. r1: gamma. r1_interval: 1 = in every step; else in every n-th step with n times the weight, and
    with the rate and betas of `lazy_adam`. half_life: of the average in images, 0 = no average.
    """
    betas, lazy = (beta1, beta2), r1_interval > 1
    return two_player(
        generator=StyleGenerator(
            Mapping(latent_dim, latent_dim, mapping_layers),
            AdaINSynthesis(images, latent_dim, base_width, max_width),
            latent_dim, mixing=style_mixing, decay=mean_style_decay,
        ),
        discriminator=StyleDiscriminator(
            images, base_width, max_width, architecture="orig", group=deviation_group
        ),
        prior=StyleLatents(latent_dim),
        loss=NonSaturating(),
        generator_optimiser=adam(learning_rate, betas),
        discriminator_optimiser=lazy_adam(learning_rate, betas, r1_interval) if lazy else adam(learning_rate, betas),
        discriminator_terms=[R1(weight=r1)] if r1 and not lazy else [],
        lazy_turns=lazy_penalties(r1_interval, r1=r1) if lazy else [],
        average=EMA(HalfLife(half_life)) if half_life else None,
    )  # fmt: skip
