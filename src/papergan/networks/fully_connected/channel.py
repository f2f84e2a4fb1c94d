"""Networks of the channel GAN: a transmitter, a receiver, and a conditional generator and discriminator of signals.

Signals are float32 [B, n, 2], real and imaginary parts in the last axis. The generator and the discriminator apply the
same layers at every time, each to a window of neighbours; windows of 1 are fully connected layers per symbol.
Source: Ye et al. 2020, arXiv:1903.02551; sizes of generator and discriminator from the authors' GAN_Rayleigh.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from papergan.game.game import DiscriminatorOutput


class WindowedLinear(nn.Linear):
    """A convolution over time: [B, T, C] -> [B, T, outputs], over `window` neighbours, an odd number; zeros outside.

    Weights N(0, 2 / inputs), biases 0, as in the authors' code.
    """

    def __init__(self, inputs: int, outputs: int, window: int = 1) -> None:
        super().__init__(inputs * window, outputs)
        self.window = window
        nn.init.normal_(self.weight, 0.0, math.sqrt(2 / (inputs * window)))
        nn.init.zeros_(self.bias)

    def forward(self, signal: Tensor) -> Tensor:
        if self.window > 1:
            side = self.window // 2
            signal = pad(signal, (0, 0, side, side)).unfold(1, self.window, 1).flatten(2)
        return super().forward(signal)


def layers(inputs: int, widths: Sequence[int], outputs: int, windows: Sequence[int]) -> nn.Sequential:
    """Hidden layers of these widths with ReLU, and a linear layer. windows: one for each layer."""
    sizes = list(pairwise([inputs, *widths, outputs]))
    made: list[nn.Module] = []
    for (before, after), window in zip(sizes, windows, strict=True):
        made += [WindowedLinear(before, after, window), nn.ReLU()]
    return nn.Sequential(*made[:-1])


class ChannelGenerator(nn.Module):
    """The generator of received signals: noise [B, T, Z], sent [B, n, 2], pilot [B, P] -> received [B, T, 2].

    The sent signal is padded with zeros to the T received samples; each time gets the whole pilot.
    """

    def __init__(self, noise_depth: int, pilot_size: int, width: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.layers = layers(noise_depth + 2 + pilot_size, [width] * 3, 2, windows)

    def forward(self, noise: Tensor, sent: Tensor, pilot: Tensor) -> Tensor:
        received: Tensor = self.layers(torch.cat([noise, *_aligned(sent, pilot, noise.shape[1])], dim=2))
        return received


class ChannelDiscriminator(nn.Module):
    """The discriminator: received [B, T, 2], sent [B, n, 2], pilot [B, P] -> logits [B], the mean over time."""

    def __init__(self, pilot_size: int, width: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.layers = layers(4 + pilot_size, [width] * 3, 1, windows)

    def forward(self, received: Tensor, sent: Tensor, pilot: Tensor) -> DiscriminatorOutput:
        score = self.layers(torch.cat([received, *_aligned(sent, pilot, received.shape[1])], dim=2))
        return DiscriminatorOutput(score.mean(dim=(1, 2)))


def _aligned(sent: Tensor, pilot: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The sent signal and the pilot at each of `length` times, [B, length, 2] and [B, length, P]."""
    return pad(sent, (0, 0, 0, length - sent.shape[1])), pilot[:, None].expand(-1, length, -1)


class Transmitter(nn.Module):
    """The transmitter: bits [B, k], 0 or 1, -> symbols [B, n, 2] whose mean energy over the block is 1."""

    def __init__(self, bits: int, symbols: int, width: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.layers = layers(bits, [width] * 2, 2 * symbols, [1, 1, 1])

    def forward(self, bits: Tensor) -> Tensor:
        sent = self.layers(2.0 * bits - 1.0)
        sent = sent * (math.sqrt(self.symbols) / torch.linalg.vector_norm(sent, dim=1, keepdim=True).clamp_min(1e-6))
        symbols: Tensor = sent.reshape(-1, self.symbols, 2)
        return symbols


class Receiver(nn.Module):
    """The receiver: received [B, T, 2], pilot [B, P] -> logits of the bits, [B, k]."""

    def __init__(self, length: int, pilot_size: int, bits: int, width: int) -> None:
        super().__init__()
        self.layers = layers(2 * length + pilot_size, [width] * 3, bits, [1, 1, 1, 1])

    def forward(self, received: Tensor, pilot: Tensor) -> Tensor:
        logits: Tensor = self.layers(torch.cat([received.flatten(1), pilot], dim=1))
        return logits
