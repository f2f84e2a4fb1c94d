"""GMMN. Li, Swersky and Zemel 2015, Generative Moment Matching Networks, arXiv:1502.02761.

Reproduced: a network that maps U(-1, 1)^10 through ReLU layers of 64, 256, 256 and 1 024 to sigmoids and minimises the
root of the biased MMD^2 between a batch of samples and a batch of data under a sum of Gaussian kernels: of pixels
(`autoencoder` false), or of the codes of an autoencoder whose decoder turns generated codes into images. The
autoencoder (784-1024-32, sigmoids, dropout .2 and .5 of the encoder's inputs) is trained first, each pair of layers by
itself and then as a whole, and is frozen afterwards; it is part of every checkpoint and of the exported generator.
Numbers are those of the authors' code (yujiali/gmmn, train.py and core/generative.py; yujiali/pynn and yujiali/pyopt
for layers and optimiser): kernels exp(-|x - y|^2 / (2 v)) of pixels or codes in 0..1, whose v they call sigma; weights
N(0, 1 / inputs); SGD of rate 2 and momentum .9, from step 10 000 on .2 and .99. Their loss weight of 1 000 and their
division by the batch size of 1 000 amount to a factor of 1, `loss_weight`. Dropout does not rescale: codes are computed
with the weights as they are.
Deviations: images are in [-1, 1] here and are mapped to 0..1 before anything is compared. The velocity of momentum is
torch's, in units of the gradient, so that a change of the rate takes effect at once. The autoencoder keeps its last
weights; theirs keeps those with the lowest training error, taken at every hundredth step and measured with the
encoder's weights over (1 - dropout), and passes from layer to layer in that scale. Its batch is every
`autoencoder_every`-th image of the larger batch of the second stage.
Deterministic on a GPU: torch has deterministic kernels for matrix products, sums and elementwise functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Player, Turn
from papergan.game.optimisers import sgd
from papergan.game.priors import Uniform
from papergan.game.schedules import Between, PiecewiseConstant
from papergan.game.step_context import Scores, StepContext
from papergan.game.terms import GeneratorLoss, Loss, Term
from papergan.networks.fully_connected.sigmoid import (
    Decoded,
    PixelVectors,
    SigmoidDecoder,
    SigmoidEncoder,
    SigmoidImages,
    cross_entropy,
    fan_in_initialisation,
    rectified,
    unit_vectors,
)
from papergan.objectives.mmd import Discrepancy

Width = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
SEVERAL = Field(min_length=1, strict=False)  # a list in YAML


def build(
    images: ImageSpec,
    *,
    latent_dim: Width = 10,
    widths: Annotated[tuple[Width, ...], SEVERAL] = (64, 256, 256, 1024),
    kernel_variances: Annotated[tuple[Rate, ...], SEVERAL] = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0),
    loss_weight: Rate = 1.0,
    learning_rate: Rate = 2.0,
    momentum: Share = 0.9,
    autoencoder: bool = False,
    autoencoder_widths: Annotated[tuple[Width, ...], SEVERAL] = (1024, 32),
    autoencoder_dropout: Annotated[tuple[Share, ...], SEVERAL] = (0.2, 0.5),
    autoencoder_learning_rate: Rate = 0.1,
    autoencoder_momentum: Share = 0.9,
    autoencoder_steps: Width = 3000,
    autoencoder_every: Width = 10,
) -> Game:
    """Build the game. autoencoder_steps: of each of its stages, one per pair of layers and one for the whole.

    Raises ValueError unless the encoder has one dropout for each width.
    """
    variances = tuple(variance**0.5 for variance in kernel_variances)
    loss = Discrepancy(variances, root=True)
    if not autoencoder:
        output: nn.Module = SigmoidImages(widths[-1], images)
        generator: nn.Module = fan_in_initialisation(nn.Sequential(*rectified([latent_dim, *widths]), output))
        player = _generator("generator", learning_rate, momentum, first=0)
        turn = Turn("generator", (GeneratorLoss(loss, weight=loss_weight),))
        return _game(generator, PixelVectors(), latent_dim, {"generator": player}, (turn,))
    encoder = SigmoidEncoder(images, autoencoder_widths, autoencoder_dropout)
    output = nn.Sequential(nn.Linear(widths[-1], autoencoder_widths[-1]), nn.Sigmoid())
    codes = fan_in_initialisation(nn.Sequential(*rectified([latent_dim, *widths]), output))
    players, turns = _autoencoder(
        len(autoencoder_widths), autoencoder_steps, autoencoder_every, autoencoder_learning_rate, autoencoder_momentum
    )
    first = autoencoder_steps * len(turns)
    players["generator"] = _generator("generator.codes", learning_rate, momentum, first=first)
    turns.append(Turn("generator", (CodeDiscrepancy(loss, weight=loss_weight),), when=Between(first)))
    generator = Decoded(codes, SigmoidDecoder(images, autoencoder_widths))
    return _game(generator, encoder, latent_dim, players, tuple(turns))


DROP = 10_000  # the generator's step, counted from 1, from which the rate and 1 - momentum are a tenth


def _generator(network: str, rate: float, momentum: float, *, first: int) -> Player:
    """The generator's player. first: the step in which its training begins."""
    drop = first + DROP - 1
    return Player(
        (network,), sgd(rate, momentum), PiecewiseConstant(rate, ((drop, rate / 10),)),
        schedules={"momentum": PiecewiseConstant(momentum, ((drop, 1 - (1 - momentum) / 10),))},
    )  # fmt: skip


def _autoencoder(
    layers: int, steps: int, every: int, rate: float, momentum: float
) -> tuple[dict[str, Player], list[Turn]]:
    """The players of the autoencoder and their turns, one after the other."""
    players, turns = {}, []
    for layer in range(layers):
        pair = (f"discriminator.layers.{layer}", f"generator.decoder.layers.{layers - 1 - layer}")
        players[f"layer_{layer + 1}"] = Player(pair, sgd(rate, 0.5), max_gradient_norm=10.0)
        stage = Between(layer * steps, (layer + 1) * steps)
        turns.append(Turn(f"layer_{layer + 1}", (LayerReconstruction(layer, every),), when=stage))
    first = layers * steps
    grown = PiecewiseConstant(0.0, ((first + 49, min(0.5, momentum)), (first + 199, momentum)))
    players["autoencoder"] = Player(
        ("discriminator", "generator.decoder"), sgd(rate), schedules={"momentum": grown}, max_gradient_norm=10.0
    )
    turns.append(Turn("autoencoder", (Reconstruction(every),), when=Between(first, first + steps)))
    return players, turns


def _game(
    generator: nn.Module, discriminator: nn.Module, latent_dim: int, players: dict[str, Player], turns: tuple[Turn, ...]
) -> Game:
    networks = {"prior": Uniform(latent_dim), "generator": generator, "discriminator": discriminator}
    return Game(nn.ModuleDict(networks), players, turns)


@dataclass(frozen=True)
class LayerReconstruction(Term):
    """The cross-entropy between one layer's input and its reconstruction by the decoder from its noisy output.

    The layers before it are applied without dropout. every: only every n-th image of the batch is used.
    """

    layer: int
    every: int

    def __call__(self, context: StepContext) -> Tensor:
        encoder, decoder = context.network("discriminator"), context.network("generator").decoder
        assert isinstance(encoder, SigmoidEncoder)
        assert isinstance(decoder, SigmoidDecoder)
        inputs = encoder.up_to(self.layer, unit_vectors(context.real(self.match)[:: self.every]))
        logits = decoder.layers[len(encoder.layers) - 1 - self.layer](encoder.noisy(self.layer, inputs))
        return cross_entropy(logits, inputs)


@dataclass(frozen=True)
class Reconstruction(Term):
    """The cross-entropy of pixels and their reconstruction, with dropout in the encoder. every: as above."""

    every: int

    def __call__(self, context: StepContext) -> Tensor:
        encoder, decoder = context.network("discriminator"), context.network("generator").decoder
        assert isinstance(encoder, SigmoidEncoder)
        assert isinstance(decoder, SigmoidDecoder)
        pixels = codes = unit_vectors(context.real(self.match)[:: self.every])
        for layer in range(len(encoder.layers)):
            codes = encoder.noisy(layer, codes)
        return cross_entropy(decoder.logits(codes), pixels)


@dataclass(frozen=True)
class CodeDiscrepancy(Term):
    """The generator's loss between the codes of real images and generated codes, which are not decoded."""

    loss: Loss

    def __call__(self, context: StepContext) -> Tensor:
        codes = context.network("generator").codes
        assert isinstance(codes, nn.Module)
        real = context.discriminated_real(self.match).score
        fake = codes(*context.latent(self.match)).float()
        return self.loss.generator(Scores(lambda: real, lambda: fake))
