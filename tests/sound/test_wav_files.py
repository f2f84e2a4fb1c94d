"""WAV files: every sample format, rates, folders as splits, and every refusal."""

from __future__ import annotations

import io
import logging
import os
import struct
import wave

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from scipy.signal import resample_poly

from papergan.errors import DataError
from papergan.sound.wav_files import _held_out, read_folder, read_sound, read_whole_sound, wav_bytes

RATE, LENGTH = 8000, 1024
WHOLE = np.random.default_rng(0).integers(-30000, 30000, 3000)


def write(path, values, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, values)
    return path


def sine(frequency, rate, count, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(count) / rate)


@pytest.fixture
def folder(tmp_path):
    """Ten files of "cat", five of "dog", one of them at another depth, with another file beside them."""
    for number in range(10):
        write(tmp_path / f"cat/{number}.wav", np.full(LENGTH, number + 1, np.int16))
    for number in range(4):
        write(tmp_path / f"dog/{number}.WAV", np.full(LENGTH, 100 + number, np.int16))
    write(tmp_path / "dog/deep/x.wav", np.full(LENGTH, 104, np.int16))
    (tmp_path / "dog/notes.txt").write_text("no sound")
    return tmp_path


def read(folder, **other):
    return read_folder(folder, **{"rate": RATE, "length": LENGTH, "held_out": 0.2, "seed": 0, "name": "pets", **other})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (WHOLE.astype(np.int16), WHOLE),
        (WHOLE.astype(np.int32) << 16, WHOLE),
        ((WHOLE / 32768).astype(np.float32), WHOLE),
        (WHOLE / 32768, WHOLE),
        ((WHOLE // 256 + 128).astype(np.uint8), WHOLE // 256 * 256),
        (np.stack([WHOLE, -WHOLE, WHOLE + 3], 1).astype(np.int16), np.round((WHOLE + 3) / 3)),
    ],
    ids=["int16", "int32", "float32", "float64", "uint8", "three channels"],
)
def test_every_format_is_read(tmp_path, values, expected):
    path = write(tmp_path / "x.wav", values)
    assert np.array_equal(read_whole_sound(path, rate=RATE).numpy(), expected)
    assert np.array_equal(read_sound(path, rate=RATE, length=LENGTH).numpy(), expected[:LENGTH])


def test_24_bits_are_read(tmp_path):
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 3, RATE, 0, "NONE", ""))
        file.writeframes(b"".join(2 * (int(one) << 8).to_bytes(3, "little", signed=True) for one in WHOLE))
    assert np.array_equal(read_whole_sound(path, rate=RATE).numpy(), WHOLE)


def test_bytes_are_those_of_a_file(tmp_path):
    samples = torch.from_numpy(WHOLE).short()
    content = wav_bytes(samples, 22050)
    rate, values = wavfile.read(io.BytesIO(content))
    assert (rate, values.dtype) == (22050, np.int16)
    assert np.array_equal(values, WHOLE)
    for wrong in (samples.int(), samples[None]):
        with pytest.raises(DataError, match=r"made of int16 \[L\]"):
            wav_bytes(wrong, 22050)


@pytest.mark.parametrize("own", [16000, 44100, 11025, 4000])
def test_another_rate_is_resampled(tmp_path, own):
    """The sine at the new rate is known; the ends are those of a filter."""
    path = write(tmp_path / "x.wav", sine(440, own, own), own)
    found = read_sound(path, rate=RATE, length=4096).double().numpy() / 32768
    assert found[100:] == pytest.approx(sine(440, RATE, 4096)[100:], abs=2e-3)


@pytest.mark.parametrize("own", [16000, 44100, 11025, 2000])
def test_only_what_is_needed_is_resampled_and_nothing_less(tmp_path, own):
    values = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * own)
    path = write(tmp_path / "x.wav", values, own)
    common = np.gcd(own, RATE)
    expected = np.rint(resample_poly(values, RATE // common, own // common) * 32768)
    assert np.array_equal(read_whole_sound(path, rate=RATE).numpy(), expected)
    for length in (37, 1024):
        assert np.array_equal(read_sound(path, rate=RATE, length=length).numpy(), expected[:length])


def test_a_short_sound_is_followed_by_zeros_and_what_is_too_loud_is_clamped(tmp_path):
    path = write(tmp_path / "x.wav", np.array([1.5, -1.5, *[0.25] * 98]))
    assert read_sound(path, rate=RATE, length=256).tolist() == [32767, -32768, *[8192] * 98, *[0] * 156]


def test_foreign_chunks_are_skipped(tmp_path, recwarn):
    content = wav_bytes(torch.from_numpy(WHOLE).short(), RATE)
    body = content[12:36] + b"abcd" + struct.pack("<I", 6) + b"foobar" + content[36:] + b"id3 " + struct.pack("<I", 0)
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)
    assert np.array_equal(read_whole_sound(path, rate=RATE).numpy(), WHOLE)
    assert not recwarn.list


def test_a_folder_becomes_two_splits(folder):
    splits = read(folder)
    assert (splits.train.name, splits.test.name) == ("pets/train", "pets/test")
    assert (splits.train.classes, splits.train.rate, splits.train.length) == (("cat", "dog"), RATE, LENGTH)
    assert sorted(splits.train.labels.tolist()) == [0] * 8 + [1] * 4
    assert sorted(splits.test.labels.tolist()) == [0] * 2 + [1]
    seen = [int(one) for split in (splits.train, splits.test) for one in split.samples[:, 0]]
    assert sorted(seen) == [*range(1, 11), *range(100, 105)]
    for split in (splits.train, splits.test):
        assert torch.equal(split.labels, (split.samples[:, 0] >= 100).long())
    assert read(folder).test.digest == splits.test.digest
    assert len({read(folder, seed=seed).test.digest for seed in range(6)}) > 1


def test_the_first_sounds_of_a_split_are_of_all_classes(tmp_path):
    """Scores and pictures of fewer sounds take the first ones."""
    for name in ("bird", "cat", "dog"):
        for number in range(40):
            write(tmp_path / f"{name}/{number:02}.wav", np.full(LENGTH, number + 1, np.int16))
    splits = read(tmp_path, held_out=0.5)
    for split in (splits.train, splits.test):
        assert set(split.labels[:20].tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, (1, 1)), (0.2, (2, 1)), (0.3, (3, 2)), (0.5, (5, 3)), (0.99, (9, 4))]
)
def test_the_share_of_each_class_is_held_out(share, expected):
    labels = np.array([0] * 10 + [1] * 5)
    held = _held_out(labels, 2, share, 7)
    assert tuple(np.bincount(labels[held])) == expected


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def of_rate(rate):
    return lambda path: path.write_bytes(wav_bytes(torch.ones(LENGTH).short(), rate))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(b""), "is not a whole WAV file"),
        (lambda path: path.write_bytes(b"no sound at all, but text"), "is not a whole WAV file"),
        (cut, r"is not a whole WAV file \(Reached EOF"),
        (lambda path: path.write_bytes(path.read_bytes()[:36]), "is not a whole WAV file"),
        (of_rate(800), "has 800 samples per second, expected 1000 to 768000"),
        (of_rate(4_000_000), "has 4000000 samples per second"),
        (lambda path: write(path, np.zeros(0, np.int16)), "holds no samples"),
        (lambda path: write(path, np.ones(79, np.int16)), r"lasts 9\.9 ms, expected at least 10"),
        (lambda path: write(path, np.zeros(5000, np.int16)), r"is silent in the first 0\.128 s"),
        (lambda path: write(path, np.r_[np.zeros(LENGTH), 0.5]), r"is silent in the first 0\.128 s"),
        (lambda path: write(path, np.full((LENGTH, 2), [0.5, np.nan])), "holds values that are NaN or infinite"),
        (lambda path: write(path, np.full(LENGTH, np.inf)), "holds values that are NaN or infinite"),
        (lambda path: write(path, np.full(LENGTH, -3000.0)), "has floating values up to 3000, expected -1 to 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(folder, harm, message):
    harm(folder / "cat/3.wav")
    with pytest.raises(DataError, match=rf"^{folder}/cat/3\.wav {message}.*; repair or remove it$"):
        read(folder)
    harm(folder / "dog/1.WAV")
    with pytest.raises(DataError, match=rf"^2 of 15 files cannot be used; the first: {folder}/cat/3\.wav {message}"):
        read(folder)


def test_a_whole_sound_may_be_silent(tmp_path):
    assert not read_whole_sound(write(tmp_path / "x.wav", np.zeros(90, np.int16)), rate=RATE).any()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_and_a_folder_are_no_sounds(folder):
    os.mkfifo(folder / "dog/pipe.wav")
    with pytest.raises(DataError, match="pipe.wav is a named pipe, expected a regular file"):
        read(folder)
    with pytest.raises(DataError, match="cat is a folder"):
        read_sound(folder / "cat", rate=RATE, length=LENGTH)
    with pytest.raises(DataError, match="x.wav cannot be read"):
        read_sound(folder / "x.wav", rate=RATE, length=LENGTH)


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path_factory, caplog):
    outside = write(tmp_path_factory.mktemp("outside") / "x.wav", np.full(LENGTH, 500, np.int16))
    (folder / "cat/out.wav").symlink_to(outside)
    (folder / "cat/in.wav").symlink_to(folder / "cat/1.wav")
    (folder / "wolf").symlink_to(folder / "dog")
    (folder / "cat/meow.mp3").write_bytes(b"ID3")
    with caplog.at_level(logging.WARNING):
        splits = read(folder)
    assert len(splits.train) + len(splits.test) == 16
    assert int(splits.train.samples.max()) < 500
    assert splits.train.classes == ("cat", "dog")
    assert "2 symbolic links to folders, or out of it, are not followed" in caplog.text
    assert "2 files are no WAV files and left out" in caplog.text


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: write(folder / "x.wav", np.ones(LENGTH)), r"x\.wav lies in no subfolder"),
        (lambda folder: (folder / "bird").mkdir(), "bird holds no WAV files"),
        (lambda folder: write(folder / "bird/x.wav", np.ones(LENGTH)), "bird must hold 2 WAV files.* got 1"),
        (lambda folder: (folder / "dog").rename(folder.parent / f"{folder.name}-dog"), "2 classes or more, got 1"),
    ],
)
def test_a_folder_of_another_kind_is_refused(folder, harm, message):
    harm(folder)
    with pytest.raises(DataError, match=message):
        read(folder)


def test_what_is_no_folder_and_no_share_is_refused(folder):
    with pytest.raises(DataError, match="is not a folder"):
        read(folder / "cat/1.wav")
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(DataError, match="held_out is a share of the files"):
            read(folder, held_out=share)
