"""StyleGAN2 with adaptive discriminator augmentation. Karras et al. 2020, arXiv:1912.04958 and arXiv:2006.06676.

Reproduced, by default every number of the authors' code for CIFAR-10 (NVlabs/stylegan2-ada-pytorch, `--cfg=cifar`):
latents and styles of dimension 512, a mapping of 2 layers with a hundredth of the learning rate, modulated convolutions
with demodulation, noise inputs, the skip generator and the discriminator without skips, 32768 / size feature maps, at
most 512, the filter [1, 3, 3, 1], the mini-batch standard deviation in groups of 32; the non-saturating logistic loss,
R1 of gamma 0.01 every 16th step; Adam 0.0025 (0, 0.99) with the correction for lazy regularisation, c = k / (k + 1):
rate times c, betas to the power of c, for the generator (k = 4) also where its penalty is off, as in their code; the
average's half-life of 500 000 images with a ramp of 0.05; the running mean of w with decay 0.995. With labels: a class
embedding concatenated to the latent, a mapping of the class for the discriminator. Augmentation is the setting
`adaptive_augmentation: bgc`, batch 64 and 100 million images are in the recipe.
Settings for other data, off there: style mixing, path length regularisation (weight 2, every 4th step, half a batch,
decay 0.01), residual networks.
Deviations: the discriminator is updated first, in theirs the generator; float32 or bfloat16 where they have float16,
with activations clamped to 256; in evaluation noise is a fixed map, so that an image is a function of its latent, where
theirs is redrawn for FID; path lengths are computed for every second latent of a batch, theirs for the first half; the
mean of w is re-estimated for the averaged weights at export, theirs is copied.
Deterministic on a GPU: convolutions of both kinds, their second derivatives, matrix products.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import Labelled
from papergan.game.ema import EMA
from papergan.game.game import Game, Match, Turn
from papergan.game.optimisers import lazy_adam
from papergan.game.priors import WithChoice
from papergan.game.schedules import EveryNSteps, HalfLife
from papergan.game.style_generator import StyleGenerator, StyleLatents
from papergan.game.two_player import two_player
from papergan.networks.layers.styles import Mapping
from papergan.networks.style_based.stylegan2 import Architecture, StyleDiscriminator, Synthesis
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.gradient_penalties import lazy_penalties
from papergan.objectives.path_length import MeanPathLength, PathLength

TRAITS = frozenset({"styles", "unbounded_output"})

Weight = Annotated[float, Field(ge=0.0)]  # 0 switches a term off
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Interval = Annotated[int, Field(ge=1)]


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 512,
    mapping_layers: Annotated[int, Field(ge=1, le=100)] = 2,
    base_width: Annotated[int, Field(ge=64)] = 32_768,
    max_width: Annotated[int, Field(ge=1)] = 512,
    generator_architecture: Architecture = "skip",
    discriminator_architecture: Architecture = "orig",
    deviation_group: Annotated[int, Field(ge=1)] = 32,
    labels: Literal["none", "projection"] = "none",
    style_mixing: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0,
    r1: Weight = 0.01,
    r1_interval: Interval = 16,
    path_length: Weight = 0.0,
    path_length_interval: Interval = 4,
    path_length_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.01,
    learning_rate: Annotated[float, Field(gt=0.0)] = 0.0025,
    beta1: Share = 0.0,
    beta2: Share = 0.99,
    mean_style_decay: Share = 0.995,
    half_life: Weight = 500_000.0,
    half_life_ramp: Weight = 0.05,
) -> Game:
    """Build the game.

    latent_dim: dimension of z and of w. base_width, max_width: feature maps at a size, see `channels_at`. style_mixing:
    its probability. r1: gamma. path_length: weight of the regularisation. *_interval: steps between two turns of the
    penalty, and the factor by which its weight is multiplied. half_life: of the average in images, 0 = no average;
    ramp: its largest share of the images seen, 0 = no ramp.
    """
    classes = images.num_classes if labels == "projection" else 0
    match = Match(discriminator_input=Labelled()) if classes else Match()
    prior, mean = StyleLatents(latent_dim), MeanPathLength(path_length_decay)
    lazy_path = PathLength(weight=path_length * path_length_interval, match=match, mean=mean)
    lengths = [Turn("generator", (lazy_path,), when=EveryNSteps(path_length_interval))]
    return two_player(
        generator=StyleGenerator(
            Mapping(latent_dim, latent_dim, mapping_layers, classes=classes),
            Synthesis(images, latent_dim, base_width, max_width, architecture=generator_architecture),
            latent_dim, mixing=style_mixing, decay=mean_style_decay,
        ),
        discriminator=StyleDiscriminator(
            images, base_width, max_width, architecture=discriminator_architecture, group=deviation_group,
            classes=classes,
        ),
        prior=WithChoice(prior, classes) if classes else prior,
        loss=NonSaturating(),
        generator_optimiser=lazy_adam(learning_rate, (beta1, beta2), path_length_interval),
        discriminator_optimiser=lazy_adam(learning_rate, (beta1, beta2), r1_interval),
        lazy_turns=lazy_penalties(r1_interval, r1=r1, match=match) + (lengths if path_length else []),
        average=EMA(HalfLife(half_life, half_life_ramp or None)) if half_life else None,
        controllers={"path_length": mean} if path_length else {},
        match=match,
    )  # fmt: skip
