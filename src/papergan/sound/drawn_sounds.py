"""drawn_sounds: ten kinds of sounds, synthesised by formula, for tests and demonstrations without a download.

Every sound is a function of (seed, split, index), rate and length. Its class is index mod 10, so classes are balanced.
What varies, each uniform and independent; times do not depend on the length, and longer sounds are cut to it:

    all           silence before the onset 0..5 ms; peak 0.5..0.95 of full scale; the last 5 ms fade out
    low string    pitch 82..165 Hz; 0.8..3 s until the loop alone has lost 60 dB; damping S 0.1..0.5; softness of the
                  pluck, the pole of a low-pass filter, 0..0.7; pluck: one period of noise
    high string   pitch 330..660 Hz, the rest as above
    bass drum     a sine from 120..220 Hz down to 45..65 Hz with the time constant 15..40 ms, which decays with
                  80..200 ms; a click of noise, 2 ms, of 0..0.2 of its amplitude
    snare drum    tones of 170..220 Hz and 300..380 Hz, which decay with 25..60 ms, and noise above 1000 Hz (a quarter
                  of a rate below 4000 Hz) of 0.3..0.8 of their amplitude, which decays with 50..120 ms
    hi-hat        noise above 0.5..0.7 of half the rate and six tones between that and 0.95 of half the rate, of
                  0.3..0.7 of its amplitude in all; decays with 15..80 ms
    a, e, i, o, u pitch 90..250 Hz; vibrato of 4..7 Hz by 0..2 %; formants of a man's vowel times 0.95..1.1 and their
                  bandwidths times 0.8..1.25; attack 5..20 ms; 250..400 ms until a release of 50..100 ms

Strings: the loop y[n] = x[n] + g (1 - S) y[n - p] + g S y[n - p - 1] with an all-pass filter that tunes it. Source:
Karplus and Strong 1983, Computer Music Journal 7(2), where S = 1/2; Jaffe and Smith 1983, ibid., for the tuning and
S [memory]. Vowels: pulses with all harmonics below half the rate, then resonators in cascade, Klatt 1980, JASA 67,
eq. 1 and 2: y[n] = A x[n] + B y[n - 1] + C y[n - 2], C = -exp(-2 pi b T), B = 2 exp(-pi b T) cos(2 pi f T), A = 1 - B -
C; the glottal one at 0 Hz, 100 Hz wide, and the difference of neighbouring samples for the lips [memory]. Formants:
Peterson and Barney 1952, JASA 24, table II, men [memory]. Bandwidths, pitches, times and levels are ours. Formants at
more than 0.95 of half the rate are left out. The random numbers are NumPy's; sines may differ in the last bit between
machines, and then rarely a sample by 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from papergan.data.memory import check_memory
from papergan.errors import DataError
from papergan.randomness import seed_for
from papergan.sound.settings import SoundData
from papergan.sound.sounds import SoundSet, SoundSplits

Array = NDArray[np.float64]
Split = Literal["train", "test"]

LOW_STRING: Final = (82.0, 165.0)  # Hz
HIGH_STRING: Final = (330.0, 660.0)
FORMANTS: Final = {  # Hz; of the words hod, head, heed, hawed and who'd
    "a": (730.0, 1090.0, 2440.0), "e": (530.0, 1840.0, 2480.0), "i": (270.0, 2290.0, 3010.0),
    "o": (570.0, 840.0, 2410.0), "u": (300.0, 870.0, 2240.0),
}  # fmt: skip
_BANDWIDTHS: Final = (60.0, 90.0, 150.0)  # Hz
_PEAK: Final = 32767
_FADE: Final = 0.005  # s


def drawn_sounds(count: int, *, rate: int, length: int, seed: int, split: Split) -> SoundSet:
    """`count` sounds of the ten classes, `length` samples at `rate` Hz; a smaller count is a prefix of a larger one.

    Train and test draw from different random streams. Raises DataError for another split, a negative count, a rate
    below 2000 Hz, which has no room for the pitches, and less than 64 samples.
    """
    if split not in ("train", "test") or count < 0 or rate < 2000 or length < 64:
        raise DataError(
            "drawn_sounds: expected 'train' or 'test', a count >= 0, a rate >= 2000 Hz and a length >= 64, got "
            f"{split!r}, {count}, {rate} and {length}"
        )
    check_memory(f"drawn_sounds, {count} sounds,", 2 * count * length, "declare fewer or shorter ones")
    samples = np.empty((count, length), np.int16)
    for index in range(count):
        draw = np.random.default_rng(seed_for(seed, "drawn sounds", split, index))
        samples[index] = _drawn(CLASSES[index % len(CLASSES)], draw, rate, length)
    labels = torch.arange(count) % len(CLASSES)
    return SoundSet(f"drawn_sounds/{split}", torch.from_numpy(samples), labels, CLASSES, rate)


def drawn_splits(data: SoundData) -> SoundSplits:
    """The drawn sounds that a recipe declares; its folder is ignored."""
    rate, length, seed = data.rate, data.length, data.seed
    return SoundSplits(
        drawn_sounds(data.train, rate=rate, length=length, seed=seed, split="train"),
        drawn_sounds(data.test, rate=rate, length=length, seed=seed, split="test"),
    )


def _drawn(label: str, draw: np.random.Generator, rate: int, length: int) -> NDArray[np.int16]:
    """One sound, int16 [L], with its drawn onset and peak."""
    onset, peak = int(draw.uniform(0, 0.005) * rate), draw.uniform(0.5, 0.95)
    onset = min(onset, length // 8)
    sound = np.zeros(length)
    sound[onset:] = _SYNTHESES[label](draw, rate, np.arange(length - onset) / rate)
    fade = min(math.ceil(_FADE * rate), length)
    sound[length - fade :] *= np.arange(fade, 0, -1) / fade
    samples: NDArray[np.int16] = np.rint(sound * (peak * _PEAK / np.abs(sound).max())).astype(np.int16)
    return samples


def _filtered(numerator: Sequence[float] | Array, denominator: Sequence[float] | Array, sound: Array) -> Array:
    """The sound after a recursive filter."""
    from scipy.signal import lfilter  # type: ignore[import-untyped]  # here, since it is slow to import

    filtered: Array = lfilter(numerator, denominator, sound)
    return filtered


def _string(low: float, high: float) -> Callable[[np.random.Generator, int, Array], Array]:
    def sound(draw: np.random.Generator, rate: int, time: Array) -> Array:
        period = rate / draw.uniform(low, high)
        gain = 10 ** (-3 * period / (rate * draw.uniform(0.8, 3.0)))
        damping, softness = draw.uniform(0.1, 0.5), draw.uniform(0.0, 0.7)
        delay = math.floor(period - damping - 0.1)  # whole samples; the all-pass filter has the rest, 0.1..1.1
        rest = period - damping - delay
        tuning = (1 - rest) / (1 + rest)
        pluck = _filtered([1 - softness], [1, -softness], draw.uniform(-1, 1, round(period)))
        excitation = np.zeros(len(time))
        excitation[: len(pluck)] = (pluck - pluck.mean())[: len(time)]  # a constant part would hardly decay
        loop = np.zeros(delay + 3)
        loop[:2] = 1, tuning
        loop[delay:] -= gain * np.convolve([1 - damping, damping], [tuning, 1])
        ringing = _filtered([1, tuning], loop, excitation)
        return ringing

    return sound


def _bass_drum(draw: np.random.Generator, rate: int, time: Array) -> Array:
    start, end = draw.uniform(120, 220), draw.uniform(45, 65)
    fall, decay, click = draw.uniform(0.015, 0.04), draw.uniform(0.08, 0.2), draw.uniform(0, 0.2)
    turns = end * time + (start - end) * fall * (1 - np.exp(-time / fall))
    noise = click * draw.uniform(-1, 1, len(time)) * (time < 0.002)
    body: Array = np.sin(2 * np.pi * turns) * np.exp(-time / decay)
    return body + noise


def _snare_drum(draw: np.random.Generator, rate: int, time: Array) -> Array:
    first, second = draw.uniform(170, 220), draw.uniform(300, 380)
    tone, buzz, share = draw.uniform(0.025, 0.06), draw.uniform(0.05, 0.12), draw.uniform(0.3, 0.8)
    tones = (np.sin(2 * np.pi * first * time) + np.sin(2 * np.pi * second * time)) / 2 * np.exp(-time / tone)
    noise = _high(draw.uniform(-1, 1, len(time)), 1000 / rate if rate > 4000 else 0.25)
    body: Array = tones + share * noise * np.exp(-time / buzz)
    return body


def _hi_hat(draw: np.random.Generator, rate: int, time: Array) -> Array:
    corner, share, decay = draw.uniform(0.25, 0.35), draw.uniform(0.3, 0.7), draw.uniform(0.015, 0.08)
    tones = draw.uniform(corner, 0.475, 6)[:, None] * rate * time + draw.uniform(0, 1, 6)[:, None]
    noise = _high(draw.uniform(-1, 1, len(time)), corner)
    body: Array = (noise + share / 6 * np.sin(2 * np.pi * tones).sum(0)) * np.exp(-time / decay)
    return body


def _vowel(letter: str) -> Callable[[np.random.Generator, int, Array], Array]:
    def sound(draw: np.random.Generator, rate: int, time: Array) -> Array:
        from scipy.special import diric  # type: ignore[import-untyped]  # here, since it is slow to import

        pitch, vibrato, depth = draw.uniform(90, 250), draw.uniform(4, 7), draw.uniform(0, 0.02)
        phase, scale, breadth = draw.uniform(0, 2 * np.pi), draw.uniform(0.95, 1.1), draw.uniform(0.8, 1.25)
        attack, end, release = draw.uniform(0.005, 0.02), draw.uniform(0.25, 0.4), draw.uniform(0.05, 0.1)
        turns = pitch * (time - depth / (2 * np.pi * vibrato) * np.cos(2 * np.pi * vibrato * time + phase))
        harmonics = int(0.5 * rate / (pitch * (1 + depth)))
        voice: Array = (2 * harmonics + 1) * diric(2 * np.pi * turns, 2 * harmonics + 1) - 1  # 2 sum cos(2 pi k turns)
        voice = np.diff(_resonance(voice, 0.0, 100.0, rate), prepend=0.0)
        for formant, bandwidth in zip(FORMANTS[letter], _BANDWIDTHS, strict=True):
            if scale * formant < 0.475 * rate:
                voice = _resonance(voice, scale * formant, breadth * bandwidth, rate)
        envelope: Array = np.clip(time / attack, 0, 1) * np.clip(1 - (time - end) / release, 0, 1)
        return voice * envelope

    return sound


def _resonance(sound: Array, frequency: float, bandwidth: float, rate: int) -> Array:
    c = -math.exp(-2 * math.pi * bandwidth / rate)
    b = 2 * math.exp(-math.pi * bandwidth / rate) * math.cos(2 * math.pi * frequency / rate)
    resonance = _filtered([1 - b - c], [1, -b, -c], sound)
    return resonance


def _high(noise: Array, corner: float) -> Array:
    """The part above `corner` times the rate: a Butterworth filter of order 4."""
    from scipy.signal import butter, sosfilt  # type: ignore[import-untyped]

    filtered: Array = sosfilt(butter(4, 2 * corner, "highpass", output="sos"), noise)
    return filtered


_SYNTHESES: dict[str, Callable[[np.random.Generator, int, Array], Array]] = {
    "low string": _string(*LOW_STRING), "high string": _string(*HIGH_STRING), "bass drum": _bass_drum,
    "snare drum": _snare_drum, "hi-hat": _hi_hat, **{letter: _vowel(letter) for letter in FORMANTS},
}  # fmt: skip
CLASSES: Final = tuple(_SYNTHESES)
