"""Wireless channels in complex baseband: AWGN, Rayleigh block fading, frequency-selective block fading.

    y[t] = sum_l h[l] x[t - l] + w[t],  t = 0 .. n + L - 2,  w[t] ~ CN(0, N0)

n symbols x of mean energy E|x|^2 = 1 are sent over L taps h, which are constant during a block and independent
between blocks. AWGN: h = 1. Rayleigh: one tap h ~ CN(0, 1). Frequency-selective: h[l] ~ CN(0, 1 / L), a uniform
power delay profile; the L - 1 samples after the last symbol belong to the block, so that blocks do not overlap.
Signals are float32 [B, n, 2], real and imaginary parts in the last axis.
Source: Ye et al. 2020, arXiv:1903.02551, and the authors' code (github.com/haoyye/End2End_GAN), L = 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

ChannelKind = Literal["awgn", "rayleigh", "frequency_selective"]


@dataclass(frozen=True)
class Channel:
    """A channel model. taps: L, 1 except for a frequency-selective channel. Raises ValueError for invalid values."""

    kind: ChannelKind
    taps: int = 1

    def __post_init__(self) -> None:
        if (self.kind == "frequency_selective") != (self.taps > 1) or self.taps < 1:
            wanted = "2 taps or more" if self.kind == "frequency_selective" else "one tap"
            raise ValueError(f"a channel of kind {self.kind} has {wanted}, got {self.taps}")

    @property
    def fades(self) -> bool:
        """Whether the taps are random."""
        return self.kind != "awgn"

    def received_length(self, symbols: int) -> int:
        """The number of samples received for a block of `symbols` symbols: n + L - 1."""
        return symbols + self.taps - 1

    def draw_taps(self, blocks: int, generator: torch.Generator) -> Tensor:
        """Taps of independent blocks, float32 [blocks, L, 2], of mean energy sum_l E|h[l]|^2 = 1."""
        if not self.fades:
            return torch.tensor([1.0, 0.0]).expand(blocks, 1, 2)
        return torch.randn(blocks, self.taps, 2, generator=generator) * math.sqrt(0.5 / self.taps)

    def pilot(self, taps: Tensor, noise: Tensor, deviation: float) -> Tensor:
        """The received pilot, [B, 2 L]; a channel without fading has none, [B, 0].

        One symbol x = 1 followed by silence is received as h + w. taps, noise: [B, L, 2]; deviation: of w in each
        real dimension, 0 for taps that are known exactly.
        """
        return (taps + deviation * noise).flatten(1) if self.fades else taps.new_zeros(len(taps), 0)


def noise_deviation(eb_n0_db: float, bits: int, symbols: int) -> float:
    """The standard deviation of the noise in each real dimension, sqrt(N0 / 2).

    bits are sent in blocks of `symbols` symbols of mean energy 1: Eb = symbols / bits, N0 = Eb / 10^(eb_n0_db / 10).
    """
    return math.sqrt(symbols / bits / 10 ** (eb_n0_db / 10) / 2)


def convolve(sent: Tensor, taps: Tensor) -> Tensor:
    """The linear convolution of symbols [B, n, 2] with taps [B, L, 2]: [B, n + L - 1, 2]; differentiable in both."""
    symbols, weights = torch.view_as_complex(sent.contiguous()), torch.view_as_complex(taps.contiguous())
    length = weights.shape[1]
    delayed = [pad(symbols * weights[:, delay, None], (delay, length - 1 - delay)) for delay in range(length)]
    return torch.view_as_real(torch.stack(delayed).sum(0))


class TrueChannel(nn.Module):
    """A channel as a network without weights, which can take the place of a generator in a game.

    noise N(0, I) [B, n + L - 1, 2], symbols [B, n, 2], taps [B, L, 2] -> received [B, n + L - 1, 2].
    deviation: of the noise in each real dimension.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, noise: Tensor, sent: Tensor, taps: Tensor) -> Tensor:
        return convolve(sent, taps) + self.deviation * noise
