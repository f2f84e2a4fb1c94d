"""Settings, trials and results of the channel study: communication systems trained through a GAN of their channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from papergan.config.papers import PaperKey
from papergan.config.trials import TrialRecord
from papergan.config.workers import WorkerSettings
from papergan.training.history import Row
from papergan.validation import BatchSize, Positive, SampleCount, Seeds, StrictModel, flattened, short_digest
from papergan.wireless.channels import Channel, ChannelKind, noise_deviation
from papergan.wireless.hamming import CODE_BITS, MESSAGE_BITS

Decibels = Annotated[float, Field(ge=-30.0, le=60.0)]
Width = Annotated[int, Field(ge=1, le=4096)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]
Window = Annotated[int, Field(ge=1, le=63)]
TrainedThrough = Literal["generator", "true_channel"]
BIT_ERRORS, BLOCK_ERRORS = "bit_error_rate", "block_error_rate"


class ChannelRecipe(StrictModel):
    """A channel, and the Eb / N0, in dB, at which a system for it is trained and measured.

    taps: of a frequency-selective channel. training_eb_n0_db: for the receiver, and for the transmitter that is trained
    through the true channel. generator_eb_n0_db: of the signals that the generator learns. gradient_penalty: weight in
    the discriminator's loss. pilot_noise: deviation of the noise on the received pilot, as a multiple of the signal
    noise's; 0: the taps are known. windows: of the layers of generator and discriminator, in symbols, odd; 1: each
    symbol by itself, in training too.
    """

    kind: ChannelKind
    taps: Annotated[int, Field(ge=1, le=64)] = 1
    eb_n0_db: Annotated[tuple[Decibels, ...], Field(min_length=1, max_length=200, strict=False)]
    training_eb_n0_db: Decibels
    generator_eb_n0_db: Decibels
    gradient_penalty: Annotated[float, Field(gt=0.0, le=1e6)] = 5.0
    pilot_noise: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    windows: Annotated[tuple[Window, Window, Window, Window], Field(strict=False)] = (1, 1, 1, 1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.model()
        if list(self.eb_n0_db) != sorted(set(self.eb_n0_db)):
            raise ValueError(f"eb_n0_db rises from each value to the next, got {list(self.eb_n0_db)}")
        if any(window % 2 == 0 for window in self.windows):
            raise ValueError(f"windows are odd, with as many neighbours before as after, got {list(self.windows)}")
        if self.taps > 1 and sum(window - 1 for window in self.windows) // 2 < self.taps - 1:
            raise ValueError(f"windows {list(self.windows)} do not reach the echoes of {self.taps} taps: widen them")
        return self

    def model(self) -> Channel:
        """The channel. Raises ValueError where kind and taps do not fit."""
        return Channel(self.kind, self.taps)


class ChannelNetworks(StrictModel):
    """Sizes, loss and optimisers. noise_depth: noise inputs of the generator per symbol. *_width: of hidden layers.

    loss: Wasserstein with the gradient penalty of WGAN-GP, or the non-saturating loss with R1. critic_steps: of the
    discriminator for each step of the generator. final_share: the rates of generator and discriminator fall linearly to
    this share of their initial values. learning_rate: of transmitter and receiver.
    """

    noise_depth: Width = 16
    generator_width: Width = 128
    discriminator_width: Width = 32
    transmitter_width: Width = 64
    receiver_width: Width = 128
    loss: Literal["wasserstein", "non_saturating"] = "wasserstein"
    critic_steps: Annotated[int, Field(ge=1, le=1000)] = 10
    generator_learning_rate: Rate = 1e-4
    discriminator_learning_rate: Rate = 1e-4
    final_share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    learning_rate: Rate = 1e-3


class ChannelStudyRecipe(StrictModel):
    """The channel study. bits: per block of `symbols` complex symbols; each block is a message.

    through: what the transmitter's gradient goes through. rounds: each of channel_steps of the generator, then
    transmitter_steps, then receiver_steps; a trial through the true channel has no channel steps. batch_size: blocks.
    generator_batch_size: symbols sent in each step of the generator and of the discriminator. every_rounds: between
    measurements during training, each of monitored_blocks. blocks: sent at each Eb / N0 at the end. code_order: of the
    QAM that the Hamming code is sent with, 2 or 4; its words have to fill the block. workers: where trials are trained.
    """

    paper: PaperKey
    description: str = ""
    seeds: Seeds = (0, 1, 2)
    bits: Annotated[int, Field(ge=1, le=64)] = 4
    symbols: Annotated[int, Field(ge=1, le=1024)] = 7
    code_order: Literal[2, 4] = 2
    through: Annotated[tuple[TrainedThrough, ...], Field(min_length=1, strict=False)] = get_args(TrainedThrough)
    rounds: Positive = 10
    channel_steps: Positive = 1000
    transmitter_steps: Positive = 500
    receiver_steps: Positive = 500
    batch_size: BatchSize = 320
    generator_batch_size: BatchSize = 512
    every_rounds: Positive = 1
    monitored_blocks: SampleCount = 20_000
    blocks: SampleCount = 200_000
    networks: ChannelNetworks = ChannelNetworks()
    channels: Annotated[dict[str, ChannelRecipe], Field(min_length=1)]
    workers: WorkerSettings = WorkerSettings()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        words, rest = divmod(self.bits, MESSAGE_BITS)
        symbols = words * CODE_BITS / (1 if self.code_order == 2 else 2)
        if rest or symbols != self.symbols:
            raise ValueError(
                f"{self.bits} bits in {self.symbols} symbols do not fit the Hamming code (7, 4) with code_order "
                f"{self.code_order}: 4 bits are {CODE_BITS / (1 if self.code_order == 2 else 2):g} symbols"
            )
        return self


@dataclass(frozen=True)
class ChannelTrial:
    """A system for one channel, trained through the generator or the true channel, from one seed."""

    channel: str
    through: TrainedThrough
    seed: int
    recipe: ChannelStudyRecipe

    @property
    def name(self) -> str:
        """Channel and what it is trained through; trials that differ only in their seed share it."""
        return f"{self.channel}/{self.through}"

    @property
    def grid(self) -> str:
        """The table that it belongs to."""
        return self.channel

    @property
    def experiment(self) -> str:
        return "channel_study"

    @property
    def levels(self) -> dict[str, str]:
        return {"through": self.through}

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its MLflow run."""
        return {"channel": self.channel, "through": self.through}

    @property
    def parameters(self) -> dict[str, object]:
        """Parameters of its MLflow run."""
        settings = dict(flattened("networks.", self.recipe.networks.model_dump()))
        return {**settings, "seed": self.seed, "rounds": self.recipe.rounds}

    @property
    def settings(self) -> ChannelRecipe:
        """The channel's entry in the recipe."""
        return self.recipe.channels[self.channel]

    @property
    def model(self) -> Channel:
        """The channel."""
        return self.settings.model()

    @property
    def steps(self) -> int:
        """The number of training steps."""
        return self.recipe.rounds * self.steps_per_round

    @property
    def steps_per_round(self) -> int:
        """Training steps of a round."""
        return self.channel_steps + self.recipe.transmitter_steps + self.recipe.receiver_steps

    @property
    def channel_steps(self) -> int:
        """Steps of the generator in a round; none where there is no generator."""
        return self.recipe.channel_steps if self.through == "generator" else 0

    def deviation(self, eb_n0_db: float) -> float:
        """The deviation of the noise in each real dimension, at the rate of the recipe."""
        return noise_deviation(eb_n0_db, self.recipe.bits, self.recipe.symbols)

    @property
    def key(self) -> str:
        """A digest, 12 hexadecimal digits, of all settings that determine the result."""
        recipe = self.recipe
        about = {
            "channel": self.settings.model_dump(mode="json"), "through": self.through, "seed": self.seed,
            **recipe.model_dump(
                mode="json",
                include={
                    "bits", "symbols", "rounds", "transmitter_steps", "receiver_steps", "batch_size", "every_rounds",
                    "monitored_blocks", "blocks", "networks",
                },
            ),
        }  # fmt: skip
        if self.through == "generator":
            about |= {"channel_steps": recipe.channel_steps, "generator_batch_size": recipe.generator_batch_size}
        return short_digest(about)


@dataclass(frozen=True, eq=False, kw_only=True)
class ChannelResult(TrialRecord):
    """The result of a trial. over_time: step, error rates, and the generator's errors.

    curve: a row for each Eb / N0: eb_n0_db, blocks, bit_errors, block_errors, bit_error_rate, block_error_rate. sent:
    [messages][n][2], the symbols of the first 16 messages. constellations: by taps, "real" and
    "generated", [symbols][points][2]: the received points of QAM over them.
    """

    what = "result of a channel study"

    curve: list[Row] = field(default_factory=list)
    sent: list[list[list[float]]] = field(default_factory=list)
    constellations: Mapping[str, Mapping[str, list[list[list[float]]]]] = field(default_factory=dict)


def trials_of(recipe: ChannelStudyRecipe) -> list[ChannelTrial]:
    """Every trial, those of the first seed first."""
    return [
        ChannelTrial(channel, through, seed, recipe)
        for seed, channel, through in product(recipe.seeds, recipe.channels, recipe.through)
    ]
