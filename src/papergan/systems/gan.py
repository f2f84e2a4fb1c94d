"""The standard GAN of gan_optimisation_review on fully connected networks, with every part exchangeable.

Goodfellow et al. 2014, arXiv:1406.2661, in the form in which gan_optimisation_review, section VI, trains it on MNIST:
cross-entropy, Adam 2e-4 with beta1 0.5 for both players, the discriminator first; dropout is one of its tests.
Reproduced: what the paper states. Latents are N(0, I), as section II.A.1 says. That section calls the generator's loss
the negative log-likelihood of the discriminator's output, which is the non-saturating form, the default; its eq. 1 is
the minimax form (`loss=minimax`).
Deviations: dropout of 0.3 is in the discriminator by default, as in Goodfellow et al.; section II.E.4 places it in the
generator (setting `dropout`); studies compare the two by name.
Our choices, where it is silent: hidden layers of 256, 512 and 1 024 (generator) and of 512 and 256 (discriminator),
LeakyReLU 0.2, latents of dimension 100, the dropout rate. Batch 64 is in the recipe.
For its comparisons, the losses, activations, normalisation, optimisers and regularisers that gan_optimisation_review
names are settings; their defaults are from their own papers (see each part's docstring).
Deterministic on a GPU: torch has deterministic kernels for matrix products, sums and elementwise functions.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.data.images import ImageSpec
from papergan.game.discriminator_input import packed
from papergan.game.game import Game, Match
from papergan.game.optimisers import Clip, Name, optimiser
from papergan.game.priors import Gaussian
from papergan.game.terms import Loss, Term
from papergan.game.two_player import two_player
from papergan.networks.fully_connected.mlp import MLPDiscriminator, MLPGenerator
from papergan.networks.layers.activations import Activation
from papergan.networks.layers.normalisation import Normalisation
from papergan.objectives.adversarial import Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from papergan.objectives.diversity import Diversity
from papergan.objectives.feature_matching import FeatureMatching
from papergan.objectives.gradient_penalties import GradientPenalty
from papergan.objectives.mmd import Discrepancy
from papergan.validation import Packing

LossName = Literal["non_saturating", "minimax", "wasserstein", "least_squares", "hinge", "mmd"]
EMBEDDING = 16  # outputs of the discriminator per image for the MMD loss


def build(
    images: ImageSpec,
    *,
    latent_dim: Annotated[int, Field(ge=1)] = 100,
    width: Annotated[int, Field(ge=1)] = 256,
    loss: LossName = "non_saturating",
    real_target: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0,
    fake_target: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0,
    aim: float = 1.0,
    half: bool = True,
    activation: Activation = "leaky_relu",
    slope: Annotated[float, Field(ge=0.0)] = 0.2,
    normalisation: Normalisation = "none",
    discriminator_normalisation: Normalisation = "none",
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0,
    discriminator_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3,
    minibatch: Literal["none", "l1", "l2"] = "none",
    minibatch_kernels: Annotated[int, Field(ge=1)] = 100,
    feature_matching: Annotated[float, Field(ge=0.0)] = 0.0,
    diversity: Annotated[float, Field(ge=0.0)] = 0.0,
    gradient_penalty: Annotated[float, Field(ge=0.0)] = 0.0,
    clip: Annotated[float, Field(ge=0.0)] = 0.0,
    optimiser_name: Name = "adam",
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    discriminator_steps: Annotated[int, Field(ge=1)] = 1,
    packing: Packing = 1,
) -> Game:
    """Build the game.

    normalisation, dropout: the generator's. clip: of the discriminator's weights. Weights and clip: 0 = off. packing:
    images per score. beta1: of adam alone; slope: of leaky_relu alone; minibatch_kernels: of `minibatch` alone.

    fake_target, real_target, aim, half: a, b, c and the generator's factor of least squares (see `LeastSquares`); the
    first two smooth the labels of the non-saturating loss. Raises ValueError if the loss does not have one of them.
    """
    match = Match(discriminator_input=packed(packing))
    discriminator_terms: list[Term] = (
        [GradientPenalty(weight=gradient_penalty, match=match)] if gradient_penalty else []
    )
    generator_terms: list[Term] = [FeatureMatching(weight=feature_matching, match=match)] if feature_matching else []
    generator_terms += [Diversity(weight=diversity)] if diversity else []
    make_optimiser = optimiser(optimiser_name, learning_rate, beta1=beta1)
    return two_player(
        generator=MLPGenerator(
            images, latent_dim, width, hidden=activation, slope=slope, normalisation=normalisation, dropout=dropout
        ),
        discriminator=MLPDiscriminator(
            images.packed(packing), width, hidden=activation, slope=slope, normalisation=discriminator_normalisation,
            dropout=discriminator_dropout, minibatch=minibatch, kernels=minibatch_kernels,
            outputs=EMBEDDING if loss == "mmd" else 1,
        ),
        prior=Gaussian(latent_dim),
        loss=loss_of(loss, real_target, fake_target, aim=aim, half=half),
        generator_optimiser=make_optimiser,
        discriminator_optimiser=make_optimiser,
        generator_terms=generator_terms,
        discriminator_terms=discriminator_terms,
        discriminator_constraints=(Clip(clip),) if clip else (),
        discriminator_steps=discriminator_steps,
        match=match,
    )  # fmt: skip


def loss_of(name: LossName, real_target: float, fake_target: float, *, aim: float = 1.0, half: bool = True) -> Loss:
    """The loss of this name. Raises ValueError for settings that it does not have."""
    if name == "least_squares":
        return LeastSquares(fake_target, real_target, aim, half)
    if (aim, half) != (1.0, True):
        raise ValueError(f"aim and half are of loss least_squares; {name!r} has none")
    if name == "non_saturating":
        if fake_target < 0.0:
            raise ValueError("fake_target: a label of loss non_saturating lies in 0..1")
        return NonSaturating(real_target, fake_target)
    if (real_target, fake_target) != (1.0, 0.0):
        raise ValueError(
            f"real_target and fake_target are labels of losses non_saturating and least_squares; {name!r} has none"
        )
    losses: dict[str, Loss] = {
        "minimax": Minimax(), "wasserstein": Wasserstein(), "hinge": Hinge(), "mmd": Discrepancy(),
    }  # fmt: skip
    return losses[name]
