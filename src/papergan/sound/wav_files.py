"""WAV files: a user's folder of sounds, with a subfolder per class, as splits; and the bytes of a file."""

from __future__ import annotations

import io
import logging
import math
import os
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from papergan.data.folder import walk
from papergan.data.memory import check_memory, read_into_memory
from papergan.errors import DataError, PaperganError
from papergan.messages import sanitise
from papergan.randomness import seed_for
from papergan.sound.sounds import SoundSet, SoundSplits, to_samples

logger = logging.getLogger(__name__)

SUFFIX: Final = ".wav"
RATES: Final = (1000, 768_000)  # Hz; of files that are read
SHORTEST: Final = 0.01  # s
MOST_FLOAT: Final = 2.0  # a floating-point sample beyond this was never scaled to [-1, 1]
_TAPS = 10  # of resample_poly's filter to either side, for each sample of the lower rate
_BYTES = 24  # for each sample read or created: float64, and copies


def read_folder(folder: Path, *, rate: int, length: int, held_out: float, seed: int, name: str) -> SoundSplits:
    """The WAV files of a folder, `length` samples at `rate` Hz each, as `name`/train and `name`/test.

    Subfolders are the classes, at least two, in the order of their names, with files at any depth. Integers of 8 to 64
    bits and floats are read; channels are averaged, other rates are resampled, a longer file is cut to its beginning, a
    shorter one is padded with zeros. held_out: the share of the files of each class, 0..1, that is the test split:
    drawn with `seed`, rounded, at least one and at most all but one; so is the order of both splits. Links that lead
    out of the folder are not followed.
    Raises DataError if there are too few classes or files, and for files that are unreadable, truncated, empty, shorter
    than 10 ms, not finite, not scaled to [-1, 1], silent in the part that is read, or not regular files; the message
    has their number and the first name.
    """
    if not 0 < held_out < 1:
        raise DataError(f"{name}: held_out is a share of the files, above 0 and below 1, got {held_out}")
    classes, files, labels = _listed(folder)
    check_memory(f"{name}, {len(files)} sounds of {length} samples,", 2 * len(files) * length, "remove some of them")
    test = torch.from_numpy(_held_out(labels, len(classes), held_out, seed))
    samples, refused = torch.zeros(len(files), length, dtype=torch.int16), list[str]()
    for row, file in enumerate(files):
        try:
            samples[row] = read_sound(file, rate=rate, length=length)
        except DataError as error:
            refused.append(str(error))
    if refused:
        first = "" if len(refused) == 1 else f"{len(refused)} of {len(files)} files cannot be used; the first: "
        raise DataError(f"{first}{refused[0]}; repair or remove it")
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed_for(seed, "order")))
    train, rest = (  # the first ones stand for all, where fewer are heard or scored
        SoundSet(f"{name}/{split}", samples[rows], torch.from_numpy(labels)[rows], classes, rate)
        for split, rows in (("train", order[~test[order]]), ("test", order[test[order]]))
    )
    return SoundSplits(train, rest)


def read_sound(path: Path, *, rate: int, length: int) -> Tensor:
    """The first `length` samples of a WAV file at `rate` Hz, int16 [L]; padded with zeros if it is shorter.

    Raises DataError for files that `read_folder` rejects.
    """
    samples = _read(path, rate, length)
    if not bool(samples.any()):
        raise DataError(f"{sanitise(path)} is silent in the first {length / rate:.3g} s, which are all that is read")
    return torch.nn.functional.pad(samples, (0, length - len(samples)))


def read_whole_sound(path: Path, *, rate: int) -> Tensor:
    """All of a WAV file at `rate` Hz, int16 [L], of any L; it may be silent.

    Raises DataError for other files that `read_folder` rejects, and if it does not fit into memory.
    """
    return _read(path, rate, None)


def wav_bytes(samples: Tensor, rate: int) -> bytes:
    """A WAV file of one channel, 16 bits. samples: int16 [L]; rate: Hz. Raises DataError for other samples."""
    if samples.dtype != torch.int16 or samples.dim() != 1:
        raise DataError(f"a WAV file is made of int16 [L], got {samples.dtype} {tuple(samples.shape)}")
    from scipy.io import wavfile  # type: ignore[import-untyped]  # here, since it is slow to import

    file = io.BytesIO()
    wavfile.write(file, rate, samples.cpu().numpy())
    return file.getvalue()


def _listed(folder: Path) -> tuple[tuple[str, ...], list[Path], NDArray[np.int64]]:
    """Classes; files in the order of their relative paths; their labels [N]."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give one with a subfolder of WAV files for each class")
    inside, found, left, others = os.path.realpath(folder), list[tuple[str, Path]](), 0, list[Path]()
    for path in walk(folder):
        if path.is_symlink() and (path.is_dir() or not Path(os.path.realpath(path)).is_relative_to(inside)):
            left += 1
        elif path.suffix.lower() != SUFFIX:
            others.append(path)
        else:
            found.append((path.relative_to(folder).as_posix(), path))
    if left:
        logger.warning("%s: %d symbolic links to folders, or out of it, are not followed", folder, left)
    if others:
        logger.warning("%s: %d files are no WAV files and left out, %s first", folder, len(others), sanitise(others[0]))
    found.sort()
    loose = [path for place, path in found if "/" not in place]
    if loose:
        raise DataError(f"{sanitise(loose[0])} lies in no subfolder, which is its class; move or remove it")
    tops = [place.split("/")[0] for place, _ in found]
    with os.scandir(folder) as entries:
        folders = {one.name for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")}
    empty = sorted(folders - set(tops))
    if empty:
        raise DataError(f"{sanitise(folder / empty[0])} holds no WAV files; fill or remove it")
    classes = tuple(sorted(folders))
    if len(classes) < 2:
        raise DataError(
            f"{folder} must have a subfolder of WAV files for each of 2 classes or more, got {len(classes)}"
        )
    if single := [one for one in classes if tops.count(one) < 2]:
        raise DataError(f"{sanitise(folder / single[0])} must hold 2 WAV files, for training and test, got 1")
    place_of = {one: label for label, one in enumerate(classes)}
    return classes, [path for _, path in found], np.array([place_of[top] for top in tops], np.int64)


def _held_out(labels: NDArray[np.int64], classes: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Which files are held out, bool [N]."""
    held = np.zeros(len(labels), np.bool_)
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        count = min(max(math.floor(share * len(rows) + 0.5), 1), len(rows) - 1)
        draw = torch.Generator().manual_seed(seed_for(seed, "held out", label))
        held[rows[torch.randperm(len(rows), generator=draw)[:count].numpy()]] = True
    return held


def _read(path: Path, rate: int, length: int | None) -> Tensor:
    """int16 [L], at most `length` samples if that is given."""
    where = sanitise(path)
    try:
        content = read_into_memory(path)
    except PaperganError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror or sanitise(error)})") from error
    own_rate, values = _decoded(content, where)
    if not RATES[0] <= own_rate <= RATES[1]:
        raise DataError(f"{where} has {own_rate} samples per second, expected {RATES[0]} to {RATES[1]}")
    if not len(values):
        raise DataError(f"{where} holds no samples")
    if len(values) < SHORTEST * own_rate:
        raise DataError(f"{where} lasts {1000 * len(values) / own_rate:.1f} ms, expected at least 10")
    if length is not None:  # the file was read in full, to check that it is whole; only the needed part is kept
        values = values[: _needed(own_rate, rate, length)]
    needed = values.size + (length or math.ceil(len(values) * rate / own_rate))
    check_memory(where, needed * _BYTES, "cut it into shorter files")
    sound = _resampled(_scaled(values, where), own_rate, rate, length)
    return to_samples(torch.from_numpy(sound)[None, None])[0]


def _decoded(content: bytes, where: str) -> tuple[int, NDArray[Any]]:
    """Rate, and samples [T] or [T, channels]. A truncated file is an error; other kinds of chunks are not."""
    from scipy.io import wavfile  # as above

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "Reached EOF prematurely", wavfile.WavFileWarning)
            rate, values = wavfile.read(io.BytesIO(content))
    except Exception as error:  # scipy and struct raise many types on garbage; each means the same here
        raise DataError(f"{where} is not a whole WAV file ({sanitise(error)})") from error
    return int(rate), values


def _scaled(values: NDArray[Any], where: str) -> NDArray[np.float64]:
    """Mono, float64 [T] in [-1, 1]."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise DataError(f"{where} holds values that are NaN or infinite")
        if (highest := float(np.abs(values).max())) > MOST_FLOAT:
            raise DataError(f"{where} has floating values up to {highest:g}, expected -1 to 1")
        sound = values.astype(np.float64)
    elif values.dtype.kind == "u":  # 8 bits or less
        sound = (values.astype(np.float64) - 128) / 128
    else:
        sound = values.astype(np.float64) / 2.0 ** (8 * values.dtype.itemsize - 1)
    return sound if sound.ndim == 1 else sound.mean(axis=1)


def _needed(own_rate: int, rate: int, length: int) -> int:
    """The number of samples at `own_rate` that the first `length` samples at `rate` depend on."""
    common = math.gcd(own_rate, rate)
    up, down = rate // common, own_rate // common
    return length if up == down else math.ceil((length * down + _TAPS * max(up, down)) / up) + 1


def _resampled(sound: NDArray[np.float64], own_rate: int, rate: int, length: int | None) -> NDArray[np.float64]:
    """At most `length` samples at `rate`; only the part of the sound that they depend on is resampled."""
    common = math.gcd(own_rate, rate)
    up, down = rate // common, own_rate // common
    if up != down:
        needed = None if length is None else _needed(own_rate, rate, length)
        from scipy.signal import resample_poly  # type: ignore[import-untyped]

        sound = resample_poly(sound[:needed], up, down)
    return sound[:length]
