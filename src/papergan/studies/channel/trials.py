"""Trials of the channel study: a transmitter and a receiver are trained, and errors counted over the true channel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from papergan.config.channel_study import BIT_ERRORS, BLOCK_ERRORS, ChannelResult, ChannelTrial
from papergan.errors import NotFiniteError
from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.randomness import seed_for
from papergan.studies.channel.game import build
from papergan.studies.resumable import ResumableTrainer, ResumableTraining
from papergan.training.checkpoint import CheckpointStore
from papergan.training.history import Row
from papergan.wireless.channels import convolve
from papergan.wireless.modulation import constellation

SQUARE = 1.5  # half the side of the square of random symbols
BLUR = 0.1  # the standard deviation of the noise added to the transmitter's symbols
CHUNK = 20_000  # blocks sent at once when errors are counted
CONDITIONS, DRAWS = 200, 100  # for the generator's errors
SHOWN_TAPS, SHOWN_POINTS = 4, 320  # in the constellations: taps, points for each


class ChannelTrainer(ResumableTrainer[ChannelTrial, ChannelResult]):
    """Trains communication systems."""

    def training(
        self, trial: ChannelTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None
    ) -> ChannelTraining:
        return ChannelTraining(trial, report, checkpoints)


class ChannelTraining(ResumableTraining[ChannelTrial, ChannelResult]):
    """The game of a transmitter and a receiver, measured over the true channel after every few rounds."""

    record = ChannelResult

    def __init__(self, trial: ChannelTrial, report: Callable[[Row], None], checkpoints: CheckpointStore | None) -> None:
        self.recipe = trial.recipe
        every = trial.recipe.every_rounds * trial.steps_per_round
        super().__init__(build(trial), trial, trial.steps, every, report, checkpoints)

    def measure(self) -> Row:
        """The error rates at the Eb / N0 of training, and the generator's errors if there is one."""
        row = error_rates(self.game, self.trial, self.trial.settings.training_eb_n0_db, self.recipe.monitored_blocks)
        found = {name: row[name] for name in (BIT_ERRORS, BLOCK_ERRORS)}
        return found | (generator_errors(self.game, self.trial) if self.trial.through == "generator" else {})

    def result(self) -> ChannelResult:
        """The errors over the true channel at each Eb / N0, and the symbols for figures."""
        game, trial = self.game, self.trial
        curve = [error_rates(game, trial, one, trial.recipe.blocks) for one in trial.settings.eb_n0_db]
        constellations = {} if trial.through != "generator" else shown_constellations(game, trial)
        return ChannelResult(curve=curve, sent=symbols_of(game, trial), constellations=constellations)

    def training_values(self, step: int) -> dict[str, Tensor]:
        if step % self.trial.steps_per_round < self.trial.channel_steps:
            batches = [self._signals(step, index) for index in range(self.recipe.networks.critic_steps)]
        else:
            batches = [self._messages(step)]
        return training_step(self.game, batches, Progress(step, step * self.recipe.batch_size), self.guard)

    def _draw(self, step: int, index: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_for(self.trial.seed, "batch", step, index))

    def _messages(self, step: int) -> dict[str, Tensor]:
        """Bits [B, k], and the taps and the pilot of the block in which each message is sent."""
        draw, count = self._draw(step, 0), self.recipe.batch_size
        bits = torch.randint(2, (count, self.recipe.bits), generator=draw).float()
        return {"bits": bits, **fading(self.trial, count, self.trial.settings.training_eb_n0_db, draw)}

    def _signals(self, step: int, index: int) -> dict[str, Tensor]:
        """Signals sent over the true channel and received from it, for the generator to learn from."""
        draw = self._draw(step, index)
        count = max(1, self.recipe.generator_batch_size // signal_length(self.trial))
        eb_n0_db = self.trial.settings.generator_eb_n0_db
        sent = self._sent(count, draw)
        states = fading(self.trial, count, eb_n0_db, draw)
        received = convolve(sent, states["taps"])
        noise = torch.randn(received.shape, generator=draw)
        return {"sent": sent, "received": received + self.trial.deviation(eb_n0_db) * noise, **states}

    @torch.no_grad()
    def _sent(self, count: int, draw: torch.Generator) -> Tensor:
        """Symbols [count, length, 2], half the transmitter's with noise, half random; length as in `signal_length`."""
        length = signal_length(self.trial)
        coded, symbols = count // 2, self.recipe.symbols
        messages = torch.randint(2, (-(-coded * length // symbols), self.recipe.bits), generator=draw).float()
        own = self.game.networks["transmitter"](messages).reshape(-1, length, 2)[:coded]
        own = own + BLUR * torch.randn(own.shape, generator=draw)
        return torch.cat([own, random_symbols(count - coded, length, draw)])


def signal_length(trial: ChannelTrial) -> int:
    """Symbols in each signal that the generator learns from: 1 if its windows have one symbol, else a block."""
    return trial.recipe.symbols if max(trial.settings.windows) > 1 else 1


def random_symbols(count: int, length: int, draw: torch.Generator) -> Tensor:
    """Symbols [count, length, 2], uniform in the square [-1.5, 1.5]^2."""
    return SQUARE * (2 * torch.rand(count, length, 2, generator=draw) - 1)


def fading(trial: ChannelTrial, count: int, eb_n0_db: float, draw: torch.Generator) -> dict[str, Tensor]:
    """The taps of `count` blocks and the pilots received through them at an Eb / N0, in dB."""
    taps = trial.model.draw_taps(count, draw)
    deviation = trial.settings.pilot_noise * trial.deviation(eb_n0_db)
    return {"taps": taps, "pilot": trial.model.pilot(taps, torch.randn(taps.shape, generator=draw), deviation)}


@torch.no_grad()
def error_rates(game: Game, trial: ChannelTrial, eb_n0_db: float, blocks: int) -> Row:
    """Errors of the trained system over the true channel: a row of `ChannelResult.curve`.

    The messages, taps and noise are the same for every trial of a channel and seed.
    """
    draw = torch.Generator().manual_seed(seed_for(trial.seed, "errors", str(eb_n0_db)))
    deviation, wrong_bits, wrong_blocks = trial.deviation(eb_n0_db), 0.0, 0.0
    for start in range(0, blocks, CHUNK):
        count = min(CHUNK, blocks - start)
        bits = torch.randint(2, (count, trial.recipe.bits), generator=draw).float()
        states = fading(trial, count, eb_n0_db, draw)
        received = convolve(game.networks["transmitter"](bits), states["taps"])
        received = received + deviation * torch.randn(received.shape, generator=draw)
        wrong = (game.networks["receiver"](received, states["pilot"]) > 0) != bits.bool()
        wrong_bits, wrong_blocks = wrong_bits + float(wrong.sum()), wrong_blocks + float(wrong.any(1).sum())
    return {
        "eb_n0_db": eb_n0_db, "blocks": float(blocks), "bit_errors": wrong_bits, "block_errors": wrong_blocks,
        BIT_ERRORS: wrong_bits / (blocks * trial.recipe.bits), BLOCK_ERRORS: wrong_blocks / blocks,
    }  # fmt: skip


@torch.no_grad()
def generator_errors(game: Game, trial: ChannelTrial) -> Row:
    """How far the generator is from the true channel, over random symbols and taps.

    mean_error: the root mean square of E_z G(z, x, p) - h * x, divided by that of h * x. The mean is over DRAWS draws;
    what their noise adds to its square, the variance over DRAWS, is subtracted, down to 0 at the least.
    deviation_ratio: the root mean square of the deviation of G over z, divided by that of the true noise.
    """
    draw = torch.Generator().manual_seed(seed_for(trial.seed, "generator errors"))
    sent = random_symbols(CONDITIONS, signal_length(trial), draw)
    states = fading(trial, CONDITIONS, trial.settings.generator_eb_n0_db, draw)
    expected, truth = sent.repeat_interleave(DRAWS, 0), convolve(sent, states["taps"])
    noise = torch.randn(len(expected), truth.shape[1], trial.recipe.networks.noise_depth, generator=draw)
    made = game.networks["generator"](noise, expected, states["pilot"].repeat_interleave(DRAWS, 0))
    made = made.reshape(CONDITIONS, DRAWS, *truth.shape[1:])
    if not bool(made.isfinite().all()):
        raise NotFiniteError("received signals of the generator are not finite")
    variance = made.var(1).mean()
    off = ((made.mean(1) - truth).square().mean() - variance / DRAWS).clamp_min(0.0)
    error = off.sqrt() / truth.square().mean().sqrt()
    ratio = variance.sqrt() / trial.deviation(trial.settings.generator_eb_n0_db)
    return {"mean_error": float(error), "deviation_ratio": float(ratio)}


@torch.no_grad()
def symbols_of(game: Game, trial: ChannelTrial) -> list[list[list[float]]]:
    """The symbols of the first 16 messages, [messages][n][2]."""
    numbers = torch.arange(min(16, 2**trial.recipe.bits))
    bits = torch.stack([(numbers >> place) & 1 for place in reversed(range(trial.recipe.bits))], dim=1)
    symbols: list[list[list[float]]] = game.networks["transmitter"](bits.float()).tolist()
    return symbols


@torch.no_grad()
def shown_constellations(game: Game, trial: ChannelTrial) -> dict[str, dict[str, list[list[list[float]]]]]:
    """QAM received over a few taps, through the true channel and the generator; see `ChannelResult`.

    Shown is the middle sample of a signal of equal symbols, which has all echoes. 4-QAM over AWGN, 16-QAM over fading
    channels, like the authors. Taps are the same for all trials of a channel.
    """
    channel, length = trial.model, signal_length(trial)
    points = constellation(16 if channel.fades else 4)
    draw = torch.Generator().manual_seed(seed_for(0, "constellations"))
    repeats, shown = SHOWN_POINTS // len(points), {}
    deviation = trial.deviation(trial.settings.generator_eb_n0_db)
    for taps in channel.draw_taps(SHOWN_TAPS if channel.fades else 1, draw)[:, None]:
        sent = points.repeat_interleave(repeats, 0)[:, None].expand(-1, length, -1)
        taps = taps.expand(len(sent), -1, -1)
        pilot = channel.pilot(taps, torch.randn(taps[:1].shape, generator=draw), 0.0)
        real = convolve(sent, taps)
        noise = torch.randn(*real.shape[:2], trial.recipe.networks.noise_depth, generator=draw)
        made = game.networks["generator"](noise, sent, pilot)
        real = real + deviation * torch.randn(real.shape, generator=draw)
        middle = real.shape[1] // 2
        name = ", ".join(f"{re:.2f}{im:+.2f}i" for re, im in taps[0].tolist())
        shown[f"h = {name}" if channel.fades else "h = 1"] = {
            "real": _rounded(real[:, middle].reshape(len(points), repeats, 2)),
            "generated": _rounded(made[:, middle].reshape(len(points), repeats, 2)),
        }
    return shown


def _rounded(points: Tensor) -> list[list[list[float]]]:
    return [[[round(x, 4) for x in pair] for pair in row] for row in points.tolist()]
