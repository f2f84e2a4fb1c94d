"""Sets of sounds: what they refuse, their digest, and the two ranges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from papergan.errors import DataError, NotFiniteError
from papergan.sound.sounds import SoundSet, SoundSplits, to_model_range, to_samples

SOUNDS = SoundSet("x", torch.arange(12, dtype=torch.int16).reshape(3, 4), torch.tensor([0, 1, 0]), ("a", "b"), 8000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": torch.zeros(3, 4)}, r"int16 \[N, L >= 1\], got torch.float32"),
        ({"samples": torch.zeros(3, 1, 4, dtype=torch.int16)}, r"got torch.int16 \(3, 1, 4\)"),
        ({"samples": torch.zeros(3, 0, dtype=torch.int16)}, r"got torch.int16 \(3, 0\)"),
        ({"labels": torch.zeros(2, dtype=torch.int64)}, r"labels must be int64 \[3\]"),
        ({"labels": torch.zeros(3)}, r"labels must be int64 \[3\], got torch.float32"),
        ({"labels": torch.tensor([0, 1, 2])}, r"labels must be 0\.\.1, got 0\.\.2"),
        ({"labels": torch.tensor([-1, 1, 0])}, r"got -1\.\.1"),
        ({"rate": 0}, "a rate of at least 1 Hz"),
        ({"classes": ()}, "got 8000 Hz and 0 classes"),
    ],
)
def test_what_is_no_set_of_sounds_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        replace(SOUNDS, **change)


def test_the_digest_is_of_the_content_and_not_of_the_name():
    assert len(SOUNDS) == 3
    assert SOUNDS.length == 4
    assert replace(SOUNDS, name="y").digest == SOUNDS.digest
    transposed = SOUNDS.samples.reshape(4, 3).t().contiguous().t().reshape(3, 4)  # the same content, other memory
    assert replace(SOUNDS, samples=transposed).digest == SOUNDS.digest
    others = [
        {"samples": SOUNDS.samples + 1}, {"labels": torch.tensor([1, 1, 0])}, {"rate": 8001}, {"classes": ("a", "c")},
    ]  # fmt: skip
    assert len({SOUNDS.digest, *(replace(SOUNDS, **one).digest for one in others)}) == 5


@pytest.mark.parametrize(
    "change", [{"rate": 16000}, {"classes": ("a", "c")}, {"samples": torch.zeros(3, 5, dtype=torch.int16)}]
)
def test_splits_are_of_one_kind(change):
    assert SoundSplits(SOUNDS, replace(SOUNDS, name="y")).test.name == "y"
    with pytest.raises(DataError, match="x and y must have the same rate, length and classes"):
        SoundSplits(SOUNDS, replace(SOUNDS, name="y", **change))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_sample_comes_back(dtype):
    samples = torch.arange(-32768, 32768, dtype=torch.int16).reshape(4, -1)
    sounds = to_model_range(samples)
    assert sounds.shape == (4, 1, 16384)
    assert sounds.dtype == torch.float32
    assert (sounds.min(), sounds.max()) == (-1.0, 1 - 2**-15)
    assert torch.equal(to_samples(sounds.to(dtype)), samples)


def test_samples_are_rounded_and_clamped_and_the_sounds_stay_as_they_are():
    values = np.array([0.4, 0.6, -0.4, -0.6, 40000, -40000, 32767.4]) / 32768
    sounds = torch.from_numpy(values)[None, None]
    assert to_samples(sounds).tolist() == [[0, 1, 0, -1, 32767, -32768, 32767]]
    assert torch.equal(sounds[0, 0], torch.from_numpy(values))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(NotFiniteError, match=r"\[1, 1, 2\] hold values that are NaN or infinite"):
        to_samples(torch.tensor([[[0.0, bad]]]))
