"""Log-mel spectrograms, their inversion to sounds by the Griffin-Lim algorithm, and their distance."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from papergan.errors import RecipeError
from papergan.randomness import seed_for

FLOOR: Final = 1e-5  # lower bound of a mel band, before the logarithm
MOMENTUM: Final = 0.99
_LINEAR_BELOW, _HZ_PER_MEL, _LOG_STEP = 1000.0, 200 / 3, math.log(6.4) / 27
_MULTIPLICATIONS = 100


class MelSpectrogram(nn.Module):
    """Log-mel spectrograms: float [B, 1, L] -> float [B, bands, L // hop], ln(max(mel, 1e-5)).

    Magnitudes of `fft` samples under a periodic Hann window, one every `hop`, weighted by triangles of equal area on
    Slaney's mel scale from 0 Hz to half the rate. The sound is padded by reflection with (fft - hop) / 2 samples at
    either end, so there are L // hop frames and frame t is centred on the sample (t + 1/2) hop.
    Raises RecipeError if a window is shorter than a hop, or if a band has no frequency of the transform; forward raises
    ValueError for sounds that are too short for the padding or for a frame.
    Source: Slaney 1998, "Auditory Toolbox", Interval Research report 1998-010; framing: Kumar et al. 2019 (MelGAN),
    arXiv:1910.06711, `Audio2Mel` of the authors' code.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, rate: int, fft: int, hop: int, bands: int) -> None:
        super().__init__()
        if not 1 <= hop <= fft or bands < 1:
            raise RecipeError(f"mel.fft must be at least mel.hop, and mel.bands 1, got {fft}, {hop} and {bands}")
        self.rate, self.fft, self.hop, self.bands = rate, fft, hop, bands
        self.register_buffer("window", torch.hann_window(fft), persistent=False)
        self.register_buffer("filters", mel_filters(rate, fft, bands), persistent=False)

    def forward(self, sounds: Tensor) -> Tensor:
        return self.log_mel(self.spectrum(sounds).abs())

    def spectrum(self, sounds: Tensor) -> Tensor:
        """Float [B, 1, L] -> complex [B, fft // 2 + 1, L // hop]."""
        before = (self.fft - self.hop) // 2
        after = self.fft - self.hop - before
        if sounds.shape[-1] <= after or sounds.shape[-1] < self.hop:
            raise ValueError(f"a sound must have more than {max(after, self.hop - 1)} samples, got {sounds.shape[-1]}")
        padded = functional.pad(sounds, (before, after), mode="reflect").squeeze(1)
        return torch.stft(padded, self.fft, self.hop, window=self.window, center=False, return_complex=True)

    def log_mel(self, magnitudes: Tensor) -> Tensor:
        """Float [B, fft // 2 + 1, T] >= 0 -> log-mel [B, bands, T]."""
        return (self.filters @ magnitudes).clamp_min(FLOOR).log()

    def sound(self, spectrum: Tensor) -> Tensor:
        """Complex [B, fft // 2 + 1, T] -> float [B, 1, T * hop]: the sound whose windowed frames are closest.

        Least squares: x(n) = sum_t w(n - t hop) y_t(n) / sum_t w^2(n - t hop). The reflection padding is cut off;
        samples that no window reaches are 0, so a whole sound needs fft >= 2 hop. Source: Griffin and Lim
        1984, IEEE Trans. ASSP 32(2), eq. 6.
        """
        frames = torch.fft.irfft(spectrum, self.fft, dim=1) * self.window[:, None]
        squares = self.window.square()[None, :, None].expand(1, self.fft, frames.shape[2])
        before, length = (self.fft - self.hop) // 2, frames.shape[2] * self.hop
        added, weight = self._overlapped(frames), self._overlapped(squares)
        sounds = torch.where(weight > 1e-6, added / weight.clamp_min(1e-6), 0.0)
        return sounds[..., before : before + length]

    def _overlapped(self, frames: Tensor) -> Tensor:
        """[B, fft, T] -> [B, 1, T * hop + fft - hop], by overlap-add of the frames."""
        size = (1, frames.shape[2] * self.hop + self.fft - self.hop)
        return functional.fold(frames, size, (1, self.fft), stride=(1, self.hop)).squeeze(1)


def mel_of(frequency: Tensor) -> Tensor:
    """Hz -> mel, float64: 3 f / 200 below 1000 Hz, then 15 + 27 ln(f / 1000) / ln(6.4)."""
    frequency = frequency.double()
    start = _LINEAR_BELOW / _HZ_PER_MEL
    above = start + (frequency.clamp_min(_LINEAR_BELOW) / _LINEAR_BELOW).log() / _LOG_STEP
    return torch.where(frequency < _LINEAR_BELOW, frequency / _HZ_PER_MEL, above)


def frequency_of(mel: Tensor) -> Tensor:
    """Mel -> Hz, float64, the inverse of `mel_of`."""
    mel, start = mel.double(), _LINEAR_BELOW / _HZ_PER_MEL
    return torch.where(mel < start, mel * _HZ_PER_MEL, _LINEAR_BELOW * ((mel - start) * _LOG_STEP).exp())


def mel_filters(rate: int, fft: int, bands: int) -> Tensor:
    """Triangles float32 [bands, fft // 2 + 1], of area 1 Hz each; corners evenly spaced in mel from 0 to rate / 2 Hz.

    Raises RecipeError if a band has no frequency of the transform.
    """
    top = float(mel_of(torch.tensor(rate / 2)))
    corners = frequency_of(torch.linspace(0, top, bands + 2, dtype=torch.float64))
    low, middle, high = (corners[first : first + bands, None] for first in range(3))
    frequencies = torch.arange(fft // 2 + 1, dtype=torch.float64) * rate / fft
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    filters = torch.minimum(rising, falling).clamp_min(0) * 2 / (high - low)
    if empty := int((filters.sum(1) == 0).sum()):
        raise RecipeError(
            f"mel.bands: {empty} of {bands} bands lie between the frequencies of mel.fft {fft} at {rate} Hz; fewer "
            "bands, or a larger fft"
        )
    return filters.float()


def magnitudes_of(log_mel: Tensor, mel: MelSpectrogram) -> Tensor:
    """Log-mel [B, bands, T] -> magnitudes float [B, fft // 2 + 1, T] >= 0 whose mel bands are closest.

    Non-negative least squares, started from the pseudo-inverse of the filters with negative values replaced by small
    positive ones, by m <- m F^T y / (F^T F m). Source: Lee and Seung 2000, "Algorithms for Non-negative Matrix
    Factorization", eq. 4.
    """
    bands, filters = log_mel.float().exp(), mel.filters
    magnitudes: Tensor = torch.linalg.pinv(filters.double()).to(filters) @ bands
    least = 1e-3 * magnitudes.abs().amax(1, keepdim=True).clamp_min(FLOOR)
    magnitudes = magnitudes.maximum(least)
    wanted = filters.T @ bands
    for _ in range(_MULTIPLICATIONS):
        magnitudes = magnitudes * wanted / (filters.T @ (filters @ magnitudes)).clamp_min(1e-12)
    return magnitudes


@torch.no_grad()
def griffin_lim(log_mel: Tensor, mel: MelSpectrogram, iterations: int, seed: int) -> Tensor:
    """Sounds float [B, 1, T * hop] of log-mel spectrograms [B, bands, T]; the initial phases are drawn with `seed`.

    Source: Griffin and Lim 1984, IEEE Trans. ASSP 32(2), section III, in the fast variant of Perraudin, Balazs and
    Sondergaard 2013 (WASPAA), algorithm 2 [memory], with momentum 0.99: c <- t + 0.99 (t - previous t), where t is the
    spectrum of the sound that is closest to the magnitudes with the phases of c. Magnitudes: `magnitudes_of`.
    """
    magnitudes = magnitudes_of(log_mel, mel)
    draw = torch.Generator().manual_seed(seed_for(seed, "phases"))
    turns = torch.rand(magnitudes.shape, generator=draw).to(magnitudes.device)
    current = torch.polar(magnitudes, 2 * math.pi * turns)
    before = torch.zeros_like(current)
    for _ in range(iterations):
        consistent = mel.spectrum(mel.sound(_with_phases(magnitudes, current)))
        current, before = consistent + MOMENTUM * (consistent - before), consistent
    return mel.sound(_with_phases(magnitudes, current))


def _with_phases(magnitudes: Tensor, spectrum: Tensor) -> Tensor:
    return magnitudes * spectrum / spectrum.abs().clamp_min(1e-12)


def log_mel_distance(a: Tensor, b: Tensor) -> float:
    """The mean absolute difference of two log-mel spectrograms of the same shape, in nepers."""
    if a.shape != b.shape:
        raise ValueError(f"log-mel spectrograms of shapes {tuple(a.shape)} and {tuple(b.shape)} do not compare")
    return float((a - b).abs().double().mean())
