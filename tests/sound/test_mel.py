"""Mel spectrograms against Slaney's numbers and NumPy; Griffin and Lim's algorithm; the inverse of the framing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from papergan.errors import RecipeError
from papergan.sound.drawn_sounds import drawn_sounds
from papergan.sound.mel import (
    FLOOR,
    MelSpectrogram,
    frequency_of,
    griffin_lim,
    log_mel_distance,
    magnitudes_of,
    mel_filters,
    mel_of,
)
from papergan.sound.sounds import to_model_range

RATE = 8000
SOUNDS = to_model_range(drawn_sounds(10, rate=RATE, length=2048, seed=0, split="train").samples)
MEL = MelSpectrogram(RATE, 256, 64, 32)


def test_the_scale_is_that_of_the_auditory_toolbox():
    """Its filters are 66.67 Hz apart up to 1000 Hz, and by a factor of 1.0711703 above."""
    assert mel_of(torch.tensor([0.0, 200.0, 1000.0, 6400.0])).tolist() == pytest.approx([0, 3, 15, 42])
    below, above = frequency_of(torch.arange(16)), frequency_of(torch.arange(15, 43))
    assert below.diff().numpy() == pytest.approx(np.full(15, 200 / 3))
    assert (above[1:] / above[:-1]).numpy() == pytest.approx(np.full(27, 1.0711703), rel=1e-7)
    frequencies = torch.linspace(0, 24000, 1001, dtype=torch.float64)
    assert torch.allclose(frequency_of(mel_of(frequencies)), frequencies)


def test_filters_are_triangles_of_equal_area_at_the_centres_of_the_scale():
    bands, fft = 20, 16384
    filters = mel_filters(RATE, fft, bands).double()
    top = 15 + math.log(4) * 27 / math.log(6.4)
    corners = [band * top / (bands + 1) for band in range(bands + 2)]
    corners = [m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27) for m in corners]
    step = RATE / fft
    assert (filters.sum(1) * step).numpy() == pytest.approx(np.ones(bands), rel=1e-3)
    assert (filters.argmax(1) * step).numpy() == pytest.approx(np.array(corners[1:-1]), abs=step)
    for band, (low, high) in enumerate(zip(corners, corners[2:], strict=False)):
        inside = (filters[band] > 0).nonzero().flatten() * step
        assert float(inside[0]) == pytest.approx(low, abs=2 * step)
        assert float(inside[-1]) == pytest.approx(high, abs=2 * step)


@pytest.mark.parametrize("fft", [255, 256])
def test_filters_are_at_the_frequencies_of_the_transform_of_an_odd_length_too(fft):
    filters, frequencies = mel_filters(RATE, fft, 10).double(), torch.from_numpy(np.fft.rfftfreq(fft, 1 / RATE))
    assert filters.shape == (10, fft // 2 + 1)
    corners = frequency_of(torch.linspace(0, float(mel_of(torch.tensor(RATE / 2))), 12, dtype=torch.float64))
    for low, middle, high, found in zip(corners, corners[1:], corners[2:], filters, strict=False):
        height = 2 / float(high - low)
        expected = np.interp(frequencies, [low, middle, high], [0, height, 0])
        assert found.numpy() == pytest.approx(expected, abs=1e-4 * height)


def test_a_frame_is_the_transform_of_a_windowed_piece_of_the_reflected_sound():
    sound = SOUNDS[5, 0].double().numpy()
    padded = np.pad(sound, 96, mode="reflect")  # (256 - 64) / 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    found, log_mel = MEL.spectrum(SOUNDS[5:6])[0], MEL(SOUNDS[5:6])[0]
    for frame in (0, 1, 17, 31):
        expected = np.fft.rfft(window * padded[64 * frame : 64 * frame + 256])
        assert np.abs(found[:, frame].numpy() - expected).max() < 1e-4
        mel = np.maximum(MEL.filters.double().numpy() @ np.abs(expected), 1e-5)
        assert log_mel[:, frame].numpy() == pytest.approx(np.log(mel), abs=1e-3)


@pytest.mark.parametrize(("fft", "hop", "length"), [(256, 64, 2048), (256, 64, 2000), (255, 64, 1024), (64, 64, 1024)])
def test_frames_number_length_over_hop(fft, hop, length):
    found = MelSpectrogram(RATE, fft, hop, 10)(torch.zeros(3, 1, length))
    assert found.shape == (3, 10, length // hop)
    assert torch.allclose(found, torch.tensor(math.log(FLOOR)))


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3100.0])
def test_a_sine_is_in_its_band(frequency):
    time = torch.arange(4096) / RATE
    sound = (0.5 * torch.sin(2 * math.pi * frequency * time))[None, None]
    band = int(MEL(sound)[0, :, 30].argmax())
    step = float(mel_of(torch.tensor(RATE / 2.0))) / 33
    assert band == pytest.approx(float(mel_of(torch.tensor(frequency))) / step - 1, abs=0.75)


@pytest.mark.parametrize(("fft", "hop"), [(256, 64), (256, 128), (512, 64), (255, 64)])
def test_a_spectrum_with_its_phases_is_the_sound(fft, hop):
    mel = MelSpectrogram(RATE, fft, hop, 10)
    assert float((mel.sound(mel.spectrum(SOUNDS)) - SOUNDS).abs().max()) < 1e-4


def test_magnitudes_have_the_bands_that_they_are_made_of():
    log_mel = MEL(SOUNDS)
    magnitudes = magnitudes_of(log_mel, MEL)
    assert float(magnitudes.min()) >= 0
    assert log_mel_distance(MEL.log_mel(magnitudes), log_mel) < 0.05


def test_griffin_lim_comes_nearer_with_every_ten_iterations():
    log_mel = MEL(SOUNDS)
    distances = [log_mel_distance(MEL(griffin_lim(log_mel, MEL, count, 0)), log_mel) for count in (0, 10, 60)]
    assert distances[1] < 0.6 * distances[0]
    assert distances[2] < 0.95 * distances[1]


def test_griffin_lim_is_a_function_of_its_seed_and_leaves_the_ambient_state():
    log_mel = MEL(SOUNDS[:2])
    before = torch.get_rng_state()
    one, same, other = (griffin_lim(log_mel, MEL, 3, seed) for seed in (0, 0, 1))
    assert one.shape == (2, 1, 2048)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_distance_is_the_mean_absolute_difference():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert log_mel_distance(a, a + torch.tensor([[1.0, -1.0], [0.0, 4.0]])) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="do not compare"):
        log_mel_distance(a, a[:1])


def test_what_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match="mel.fft must be at least mel.hop"):
        MelSpectrogram(RATE, 64, 65, 10)
    with pytest.raises(RecipeError, match=r"mel.bands: \d+ of 80 bands lie between the frequencies of mel.fft 128"):
        MelSpectrogram(RATE, 128, 64, 80)
    with pytest.raises(ValueError, match="more than 96 samples, got 96"):
        MEL(torch.zeros(1, 1, 96))


def test_the_settings_are_no_weights():
    assert MEL.state_dict() == {}
