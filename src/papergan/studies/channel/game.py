"""The channel GAN: a conditional generator of the received signal, through which a transmitter is trained.

Four players: the discriminator and the generator learn the channel from sent and received signals; the transmitter
learns, through the frozen generator, to send what the receiver reads best; the receiver learns from the transmitter's
signals after the true channel. A round has three phases, as in the authors' work.
Source: Ye et al. 2020, arXiv:1903.02551, and the authors' code (github.com/haoyye/End2End_GAN).

Taken from the code: the generator of GAN_Rayleigh.py (three layers of 128 units, 16 noise values per symbol), the
phases of a round and their order, batches of 320 blocks (1 000 for multipath there), the Eb / N0 of training, half of
the generator's signals random and half sent by the transmitter with noise of 0.1, the taps of End2EndConvMultipath.py,
and the pilot of both scripts with fading, which is the taps themselves; the standard loss with one discriminator step
per generator step, as in the three End2EndConv scripts. `loss: wasserstein` is the loss of GAN_Rayleigh.py: WGAN-GP
with weight 5, ten steps, Adam 1e-4 with betas 0.5 and 0.9, batches of 512, 32 units in the discriminator.
Deviations: blocks of 4 bits in 7 symbols instead of the code's 128 or 64 bits in as many symbols, so that a few fully
connected layers suffice for transmitter and receiver; a discriminator with R1 and one score for a block, the mean over
its symbols, where that of the End2EndConv scripts averages features over the batch and has a loss for each symbol;
Adam's beta2 is 0.9 for the standard loss too, theirs 0.999; with `loss: wasserstein` every step of the discriminator
has a new batch, and a mixed signal one share of the generated one, where GAN_Rayleigh.py takes its ten steps on one
batch and draws a share for the real part and another for the imaginary part; phases of equal length in all rounds,
where the code's grow; random signals from the continuous square [-1.5, 1.5]^2, where the code's have steps of 0.1; a
power constraint on the block, where the code has one on each of its real and imaginary parts; inputs are not divided by
3 and 4, since symbols have mean energy 1; fewer steps at higher, decaying learning rates, see
conf/base/parameters_tools.yml. The code's Rayleigh and multipath scripts have half the energy of its AWGN script for
the same noise, so their Eb / N0 is 3 dB lower than stated; here it is as stated. The code's multipath test divides the
noise variance by 1 + CP / N, for the cyclic prefix that OFDM needs; here the prefix counts as energy that OFDM spends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from papergan.config.channel_study import ChannelTrial
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import Prior
from papergan.game.schedules import LinearDecay, Progress
from papergan.game.sharding import per_image
from papergan.game.step_context import StepContext
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Loss, Term
from papergan.networks.fully_connected.channel import ChannelDiscriminator, ChannelGenerator, Receiver, Transmitter
from papergan.objectives.adversarial import NonSaturating, Wasserstein
from papergan.objectives.gradient_penalties import R1, GradientPenalty
from papergan.randomness import seeded
from papergan.wireless.channels import TrueChannel


class ChannelNoise(Prior):
    """Noise N(0, I) for each received sample, [B, n + memory, depth]. memory: L - 1 samples after n symbols.

    In a training step on signals, the draw is (noise, sent, pilot), the latter two from the batch; there is no other.
    """

    def __init__(self, depth: int, memory: int) -> None:
        super().__init__(depth)
        self.memory = memory

    def noise(self, count: int, symbols: int) -> Tensor:
        """Noise for `count` blocks of `symbols` symbols."""
        size = (symbols + self.memory, self.latent_dim)
        return per_image(lambda n: torch.randn(n, *size, device=self.where.device), count)

    def for_batch(self, batch: Mapping[str, Tensor], count: int, progress: Progress) -> tuple[Tensor, ...]:
        return self.noise(count, batch["sent"].shape[1]), batch["sent"], batch["pilot"]


@dataclass(frozen=True)
class WithSentAndPilot:
    """Received signals together with the sent ones and the received pilot: (y, x, p)."""

    images_per_score: ClassVar[int] = 1

    def real(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.real(match), context.batch["sent"], context.batch["pilot"]

    def fake(self, context: StepContext, match: Match) -> tuple[Tensor, ...]:
        return context.fake(match), context.batch["sent"], context.batch["pilot"]


@dataclass(frozen=True)
class BitCrossEntropy(Term):
    """The cross-entropy of sent bits: -mean_k [b log p + (1 - b) log(1 - p)], with p from the receiver.

    The receiver reads the transmitter's symbols after the match's generator, which may be the true channel. condition:
    the input that the generator gets from the batch, "pilot" or "taps".
    """

    condition: str

    def __call__(self, context: StepContext) -> Tensor:
        bits = context.batch["bits"]
        sent = context.network("transmitter")(bits)
        noise = context.network(self.match.source).noise(len(bits), sent.shape[1])  # type: ignore[operator]
        received = context.network(self.match.generator)(noise, sent, context.batch[self.condition])
        return binary_cross_entropy_with_logits(context.network("receiver")(received, context.batch["pilot"]), bits)


@dataclass(frozen=True)
class Phase:
    """Active in the steps `start` to `end - 1` of every round of `period` steps; `when` of a turn."""

    start: int
    end: int
    period: int

    def __call__(self, progress: Progress) -> bool:
        return self.start <= progress.step % self.period < self.end


GENERATED = Match(real="received", discriminator_input=WithSentAndPilot())
TRUE = Match(generator="channel", source="channel_noise")


def build(trial: ChannelTrial) -> Game:
    """Build the game of a trial, with weights from its seed; without a GAN if it trains through the true channel."""
    recipe, sizes, channel = trial.recipe, trial.recipe.networks, trial.model
    pilot, memory = (2 * channel.taps if channel.fades else 0), channel.taps - 1
    with seeded(trial.seed, "weights"):
        networks: dict[str, nn.Module] = {
            "transmitter": Transmitter(recipe.bits, recipe.symbols, sizes.transmitter_width),
            "receiver": Receiver(channel.received_length(recipe.symbols), pilot, recipe.bits, sizes.receiver_width),
            "channel": TrueChannel(trial.deviation(trial.settings.training_eb_n0_db)),
            "channel_noise": ChannelNoise(2, memory),
        }
        gan: dict[str, nn.Module] = {
            "prior": ChannelNoise(sizes.noise_depth, memory),
            "generator": ChannelGenerator(sizes.noise_depth, pilot, sizes.generator_width, trial.settings.windows),
            "discriminator": ChannelDiscriminator(pilot, sizes.discriminator_width, trial.settings.windows),
        }
    through_generator = trial.through == "generator"
    first, second = trial.channel_steps, trial.channel_steps + recipe.transmitter_steps
    at_transmitter = Phase(first, second, trial.steps_per_round)
    at_receiver = Phase(second, trial.steps_per_round, trial.steps_per_round)
    of_bits = BitCrossEntropy("pilot", match=GENERATED) if through_generator else BitCrossEntropy("taps", match=TRUE)
    players = {name: Player((name,), adam(sizes.learning_rate, (0.9, 0.999))) for name in ("transmitter", "receiver")}
    turns = [
        Turn("transmitter", (of_bits,), when=at_transmitter),
        Turn("receiver", (BitCrossEntropy("taps", match=TRUE),), when=at_receiver),
    ]
    if through_generator:
        rates = {"discriminator": sizes.discriminator_learning_rate, "generator": sizes.generator_learning_rate}
        for name, rate in rates.items():
            decay = LinearDecay(rate, 0, trial.steps, sizes.final_share * rate)
            players[name] = Player((name,), adam(rate, (0.5, 0.9)), decay)
        turns = [*_gan_turns(trial), *turns]
    return Game(
        networks=nn.ModuleDict(networks | gan if through_generator else networks),
        players=players,
        turns=turns,
        showcase=GENERATED if through_generator else TRUE,
    )


def _gan_turns(trial: ChannelTrial) -> list[Turn]:
    """The turns of the discriminator and the generator, in the first phase of a round."""
    sizes, phase = trial.recipe.networks, Phase(0, trial.channel_steps, trial.steps_per_round)
    wasserstein = sizes.loss == "wasserstein"
    loss: Loss = Wasserstein() if wasserstein else NonSaturating()
    penalty = (GradientPenalty if wasserstein else R1)(weight=trial.settings.gradient_penalty, match=GENERATED)
    return [
        Turn("discriminator", (DiscriminatorLoss(loss, match=GENERATED), penalty), sizes.critic_steps, when=phase),
        Turn("generator", (GeneratorLoss(loss, match=GENERATED),), when=phase),
    ]
