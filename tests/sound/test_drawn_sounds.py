"""Drawn sounds: their draws, and whether each class is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from papergan.errors import DataError
from papergan.sound.drawn_sounds import CLASSES, FORMANTS, HIGH_STRING, LOW_STRING, _string, drawn_sounds, drawn_splits
from papergan.sound.settings import SoundData

RATE, LENGTH = 8000, 4096
SOUNDS = drawn_sounds(200, rate=RATE, length=LENGTH, seed=0, split="train")


def of_class(name):
    """Float [20, L]."""
    return SOUNDS.samples[SOUNDS.labels == CLASSES.index(name)].double().numpy() / 32768


def energy(sounds, low, high):
    """The share of the energy between two frequencies, over all sounds of a class."""
    power, frequencies = np.abs(np.fft.rfft(sounds)) ** 2, np.fft.rfftfreq(LENGTH, 1 / RATE)
    return power[:, (frequencies >= low) & (frequencies < high)].sum() / power.sum()


def pitch(sound, low, high, near=0.8):
    """Hz, at the first maximum of the autocorrelation that has at least `near` times the highest one of the range."""
    times = 8  # as many lags, by zeros after the spectrum
    spectrum = np.abs(np.fft.rfft(sound, 2 * len(sound))) ** 2
    correlation = np.fft.irfft(spectrum, times * 2 * len(sound))
    lags = np.arange(int(times * RATE / high), int(times * RATE / low) + 1)
    here, before, after = (correlation[lags + step] for step in (0, -1, 1))
    peaks = (here >= before) & (here > after) & (here > near * here.max())
    return times * RATE / lags[np.flatnonzero(peaks)[0]]


def test_classes_take_turns_and_a_smaller_count_is_a_prefix():
    assert SOUNDS.name == "drawn_sounds/train"
    assert SOUNDS.classes == ("low string", "high string", "bass drum", "snare drum", "hi-hat", "a", "e", "i", "o", "u")
    assert torch.equal(SOUNDS.labels, torch.arange(200) % 10)
    few = drawn_sounds(13, rate=RATE, length=LENGTH, seed=0, split="train")
    assert torch.equal(few.samples, SOUNDS.samples[:13])


def test_sounds_are_a_function_of_seed_split_and_index():
    digests = [
        drawn_sounds(10, rate=RATE, length=1024, seed=seed, split=split).digest
        for seed, split in ((0, "train"), (0, "train"), (1, "train"), (0, "test"))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert len(np.unique(SOUNDS.samples.numpy(), axis=0)) == 200
    assert drawn_sounds(10, rate=48000, length=64, seed=0, split="train").samples.any(1).all()


@pytest.mark.parametrize(
    ("rate", "length"), [(8000, 4096), (16000, 16384), (48000, 1024), (4000, 1024), (2000, 64)], ids=str
)
def test_peak_onset_and_end_are_in_their_ranges(rate, length):
    samples = drawn_sounds(20, rate=rate, length=length, seed=3, split="test").samples.int().abs()
    peaks = samples.amax(1) / 32767
    assert float(peaks.min()) > 0.499
    assert float(peaks.max()) < 0.951
    onsets = (samples > 100).int().argmax(1) / rate
    assert float(onsets.max()) < 0.012
    assert int(samples[:, -1].max()) <= 32768 / min(0.005 * rate, length)  # a fade of at least so many steps


@pytest.mark.parametrize(("name", "bounds"), [("low string", LOW_STRING), ("high string", HIGH_STRING)])
def test_a_string_has_a_pitch_of_its_range(name, bounds):
    low, high = bounds
    found = [pitch(one, low / 1.5, high * 1.5) for one in of_class(name)]
    assert min(found) > 0.98 * low
    assert max(found) < 1.02 * high
    assert max(found) - min(found) > 0.5 * (high - low)


@pytest.mark.parametrize("wanted", [82.0, 123.4, 333.0, 600.0])
def test_a_string_is_in_tune_and_dies_away(wanted):
    time = np.arange(LENGTH) / RATE
    for seed in range(3):
        sound = _string(wanted, wanted)(np.random.default_rng(seed), RATE, time)
        power = np.abs(np.fft.rfft(sound * np.hanning(LENGTH), 16 * LENGTH))
        near = np.arange(int(16 * LENGTH * wanted / RATE / 1.4), int(16 * LENGTH * wanted / RATE * 1.4))
        assert near[power[near].argmax()] * RATE / (16 * LENGTH) == pytest.approx(wanted, rel=2e-3)
        early, late = (np.abs(part).max() for part in (sound[:1000], sound[3000:]))
        assert 0 < late < 0.7 * early


@pytest.mark.parametrize("vowel", FORMANTS)
def test_a_vowel_has_its_formants(vowel):
    """By linear prediction: the poles of the filter whose output, given white noise, has this autocorrelation."""
    found = []
    for sound in of_class(vowel):
        voiced = lfilter([1, -0.9], [1], sound[200:2200]) * np.hamming(2000)
        correlation = np.correlate(voiced, voiced, "full")[1999:]
        predictor = solve_toeplitz(correlation[:8] + np.eye(1, 8)[0] * 1e-9, correlation[1:9])
        poles = np.roots([1, *-predictor])
        frequencies = np.angle(poles[(poles.imag > 0) & (np.abs(poles) > 0.8)]) * RATE / (2 * np.pi)
        found.append([frequencies[np.abs(frequencies / one - 1).argmin()] for one in FORMANTS[vowel]])
    assert np.median(found, axis=0) / FORMANTS[vowel] == pytest.approx([1.025] * 3, abs=0.08)


def test_vowels_are_voiced_between_90_and_250_hz():
    """F1 of i and u is near their pitch, so that their autocorrelation is that of a sine."""
    found = [pitch(one[200:1800], 70, 300, 0.9) for name in "aeo" for one in of_class(name)]
    assert min(found) > 88
    assert max(found) < 256
    assert np.std(found) > 25


def test_drums_have_their_energy_where_they_should():
    assert energy(of_class("bass drum"), 0, 250) > 0.95
    assert energy(of_class("hi-hat"), 0.22 * RATE, RATE) > 0.95
    snare = of_class("snare drum")
    assert 0.2 < energy(snare, 150, 400) < 0.95
    assert 0.05 < energy(snare, 1000, RATE) < 0.8


def test_the_pitch_of_a_bass_drum_falls():
    for sound in of_class("bass drum"):
        crossings = np.flatnonzero(np.diff(np.sign(sound[40:2000])))  # past onset and click
        gaps = np.diff(crossings)
        assert gaps[:2].mean() < 0.9 * gaps[-4:].mean()


@pytest.mark.parametrize(
    "change", [{"split": "validation"}, {"count": -1}, {"rate": 1999}, {"length": 63}], ids=lambda one: str(*one)
)
def test_other_draws_are_refused(change):
    arguments = {"count": 1, "rate": RATE, "length": 64, "seed": 0, "split": "train", **change}
    count = arguments.pop("count")
    with pytest.raises(DataError, match="expected 'train' or 'test', a count >= 0, a rate >= 2000 Hz"):
        drawn_sounds(count, **arguments)


def test_splits_are_those_of_the_recipe():
    splits = drawn_splits(SoundData(length=1024, rate=4000, train=12, test=11, seed=5))
    assert (len(splits.train), len(splits.test), splits.test.rate, splits.test.length) == (12, 11, 4000, 1024)
    alone = drawn_sounds(11, rate=4000, length=1024, seed=5, split="test")
    assert splits.test.digest == alone.digest
