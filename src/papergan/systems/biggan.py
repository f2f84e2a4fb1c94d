"""BigGAN. Brock, Donahue and Simonyan 2019, arXiv:1809.11096, as its code trains it on CIFAR-10.

Reproduced, every number from the first author's PyTorch code (ajbrock/BigGAN-PyTorch, scripts/launch_cifar_ema.sh and
the defaults of its parser): residual networks of width 4 x 64, no attention; conditional BatchNorm with a class
embedding for each layer, none shared, and no splitting of the latent into chunks; the projection discriminator;
spectral normalisation of both networks except for the generator's embeddings; weights N(0, 0.02), biases initialised as
torch does by default; hinge loss; latents N(0, I) of dimension 128, classes drawn uniformly; Adam 2e-4 (0, 0.999) for
both, four discriminator steps per generator step; a moving average of the generator, decay 0.9999, from step 1 000 on.
Batch 50 and 500 epochs are in the recipe.
Parts that the paper uses for ImageNet and this script leaves out are available as settings: a shared embedding
(`shared_dim`), chunks of the latent for every block (`hierarchical`), self-attention at half resolution, orthogonal
regularisation (weight 1e-4 in the paper, of all weights but class embeddings). StudioGAN's version for CIFAR-10 is
recipe biggan_studiogan_cifar10.
Deviations: the discriminator scores reals and fakes in separate passes, theirs in one, so that its singular vectors are
updated twice per step; the singular vectors of spectral normalisation start from 15 power iterations, and are copied
into the average, not averaged; their epsilon is 1e-12, theirs 1e-8 and StudioGAN's 1e-6; BatchNorm sees batches of 50,
where the script's two GPUs see 25 each; samples use BatchNorm statistics of many batches (the paper's appendix C.1),
where the script samples with those of the current batch. With `orthogonal`, per-layer embeddings are not regularised,
whereas the code, contrary to its own comment, regularises them.
Deterministic on a GPU: as `hybrid_fast`; torch also has deterministic kernels for the matrix products and softmax of
attention.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.augmentation import DiffAugment
from papergan.game.discriminator_input import Labelled
from papergan.game.ema import EMA
from papergan.game.game import Game, Match
from papergan.game.optimisers import adam
from papergan.game.priors import Gaussian, WithChoice
from papergan.game.schedules import PiecewiseConstant
from papergan.game.two_player import two_player
from papergan.networks.layers.blocks import set_batch_norm_epsilon
from papergan.networks.residual.biggan import BigGANGenerator, Initialisation, biggan_discriminator
from papergan.objectives.adversarial import Hinge
from papergan.objectives.orthogonal import OrthogonalRegularisation

TRAITS = frozenset({"needs_labels"})

Width = Annotated[int, Field(ge=8)]
Rate = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 128,
    generator_width: Width = 256,
    discriminator_width: Width = 256,
    shared_dim: Annotated[int, Field(ge=0)] = 0,
    hierarchical: bool = False,
    attention: bool = False,
    initialisation: Initialisation = "normal",
    orthogonal: Annotated[float, Field(ge=0.0)] = 0.0,
    generator_learning_rate: Rate = 2e-4,
    discriminator_learning_rate: Rate = 2e-4,
    beta1: Share = 0.0,
    beta2: Share = 0.999,
    adam_epsilon: Rate = 1e-8,
    batch_norm_epsilon: Rate = 1e-5,
    discriminator_steps: Annotated[int, Field(ge=1)] = 4,
    augmentation: str = "none",
    ema_decay: Share = 0.9999,
    ema_start: Annotated[int, Field(ge=0)] = 1000,
) -> Game:
    """Build the game.

    shared_dim: size of the class embedding that all layers share, 0 for one per layer. hierarchical: whether every
    block gets a chunk of the latent. orthogonal: weight of the regularisation, see `OrthogonalRegularisation`.
    augmentation: DiffAugment's policy, "none" = off. ema_decay: 0 = no average. ema_start: until that step the average
    equals the current weights.
    """
    match, betas = Match(discriminator_input=Labelled()), (beta1, beta2)
    generator = BigGANGenerator(
        images, latent_dim, generator_width, shared_dim=shared_dim, hierarchical=hierarchical, attention=attention,
        initialisation=initialisation,
    )  # fmt: skip
    regularisation = OrthogonalRegularisation(weight=orthogonal, match=match, without=generator.embedding_names)
    return two_player(
        generator=set_batch_norm_epsilon(generator, batch_norm_epsilon),
        discriminator=biggan_discriminator(
            images, discriminator_width, attention=attention, initialisation=initialisation
        ),
        prior=WithChoice(Gaussian(latent_dim), images.num_classes),
        loss=Hinge(),
        generator_optimiser=adam(generator_learning_rate, betas, epsilon=adam_epsilon),
        discriminator_optimiser=adam(discriminator_learning_rate, betas, epsilon=adam_epsilon),
        generator_terms=(regularisation,) if orthogonal else (),
        discriminator_steps=discriminator_steps,
        augment=None if augmentation == "none" else DiffAugment(augmentation),
        average=EMA(PiecewiseConstant(0.0, ((max(ema_start - 1, 0), ema_decay),))) if ema_decay else None,
        match=match,
    )
