"""ProGAN, progressive growing. Karras, Aila, Laine and Lehtinen 2018, arXiv:1710.10196, as its code trains CIFAR-10.

Reproduced, every number from the authors' code (tkarras/progressive_growing_of_gans, branch original-theano-version,
config.py, "CIFAR10 inception scores", and train.py and network.py): generator and discriminator grow from 4x4 pixels,
400 000 real images at each size and 400 000 while the next one fades in, with real images blended likewise; 4096 /
2^stage feature maps, at most 128; equalised learning rates, pixel normalisation in the generator and of the latents,
N(0, I) of dimension 128, the standard deviation over the whole batch before the discriminator's last layers; WGAN-GP
with lambda 10 and target 750, (|gradient| - 750)^2 / 750^2, drift 0.001; Adam 1e-3 (0, 0.99) without warm-up, one step
each; a moving average of the generator, decay 0.999. Batch 16 at every size and 20 million images are in the recipe.
Settings that the code has for other data: a learning rate for each size (`learning_rates`), another initial size
(`first_size`), and, in the recipe, a batch size for each (`training.batch_sizes`, by real images seen: the n-th level
after the first begins to fade in at n stable_images + (n - 1) fade_images). With `stable_images` and `fade_images` 0
nothing grows, the ablation of section 6.1.
Deviations: the generator's step comes after the discriminator's, on new latents, where theirs are taken at once on the
same latents; Adam's moments are kept, where theirs are reset with every stage, though those of new layers begin with
these; real images are not rounded to bytes during a fade; the average includes the weights after each step, theirs
those before; equalised learning rates use the formula, theirs the root mean square of the initial weights.
Deterministic on a GPU: convolutions, their second derivatives, averages over squares of pixels, nearest-neighbour
upsampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import ImagesOnly
from papergan.game.ema import EMA
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian
from papergan.game.step_context import StepContext
from papergan.game.two_player import two_player
from papergan.networks.style_based.growth import Growing, Growth, RateByLevel, last_level
from papergan.networks.style_based.progan import ProgressiveDiscriminator, ProgressiveGenerator
from papergan.objectives.adversarial import Wasserstein
from papergan.objectives.drift import Drift
from papergan.objectives.gradient_penalties import GradientPenalty

TRAITS = frozenset({"unbounded_output"})

Rate = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Images = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class GrownImages(ImagesOnly):
    """Augmented images, the real ones blended for the discriminator's level; generated ones already have that level."""

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        discriminator = context.network(match.discriminator)
        assert isinstance(discriminator, Growing)
        return (context.cached("grown", match, compute=lambda: discriminator.blended(context.augmented_real(match))),)


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    base_width: Annotated[int, Field(ge=64)] = 4096,
    max_width: Annotated[int, Field(ge=1)] = 128,
    first_size: Annotated[int, Field(ge=4)] = 4,
    stable_images: Images = 400_000,
    fade_images: Images = 400_000,
    penalty: Annotated[float, Field(ge=0.0)] = 10.0,
    target: Rate = 750.0,
    drift: Annotated[float, Field(ge=0.0)] = 0.001,
    learning_rate: Rate = 1e-3,
    learning_rates: Annotated[tuple[Rate, ...], Field(strict=False)] = (),
    beta1: Share = 0.0,
    beta2: Share = 0.99,
    adam_epsilon: Rate = 1e-8,
    ema_decay: Share = 0.999,
) -> Game:
    """Build the game.

    base_width, max_width: feature maps at a size, see `feature_maps`. stable_images, fade_images: real images at each
    size, and while the next one fades in. learning_rates: one for each size from `first_size` on, instead of
    `learning_rate`. penalty: lambda. target: the norm that the gradient is pulled towards. ema_decay: 0 = no average.
    """
    if first_size > images.size:
        raise ValueError(f"first_size is {first_size} pixels, more than the images have; take at most {images.size}")
    growth = Growth(last_level(first_size), last_level(images.size), stable_images, fade_images)
    match = Match(discriminator_input=GrownImages())
    rates = RateByLevel(growth, learning_rates) if learning_rates else None
    optimiser = adam(learning_rate, (beta1, beta2), epsilon=adam_epsilon)
    return two_player(
        generator=ProgressiveGenerator(images, latent_dim, growth, base_width, max_width),
        discriminator=ProgressiveDiscriminator(images, growth, base_width, max_width),
        prior=Gaussian(latent_dim),
        loss=Wasserstein(),
        generator_optimiser=optimiser,
        discriminator_optimiser=optimiser,
        generator_learning_rate=rates,
        discriminator_learning_rate=rates,
        discriminator_terms=(
            GradientPenalty(weight=penalty / target**2, target=target, match=match),
            Drift(weight=drift, match=match),
        ),
        average=EMA(ema_decay) if ema_decay else None,
        match=match,
    )
