"""Sets of sounds with labels, name and digest; their two value ranges: int16 in memory, [-1, 1) for networks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from papergan.errors import DataError, NotFiniteError

FULL_SCALE: Final = 32768  # int16 counts of 1.0


@dataclass(frozen=True, eq=False)
class SoundSet:
    """Checked sounds of one channel. Two sets are the same if their digests are equal; `==` is `is`.

    name: what they are, for every log and table, for example "drawn_sounds/train".
    samples: int16 [N, L]. labels: int64 [N], indices into `classes`. rate: samples per second, Hz.
    Raises DataError for other shapes, dtypes, label ranges or rates.
    """

    name: str
    samples: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    rate: int

    def __post_init__(self) -> None:
        shape = tuple(self.samples.shape)
        if self.samples.dtype != torch.int16 or len(shape) != 2 or not shape[1]:
            raise DataError(f"{self.name}: sounds must be int16 [N, L >= 1], got {self.samples.dtype} {shape}")
        if self.labels.dtype != torch.int64 or tuple(self.labels.shape) != shape[:1]:
            raise DataError(
                f"{self.name}: labels must be int64 [{shape[0]}], got {self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if self.rate < 1 or not self.classes:
            raise DataError(
                f"{self.name}: expected a rate of at least 1 Hz and a class, got {self.rate} Hz and "
                f"{len(self.classes)} classes"
            )
        if not len(self.labels):
            return
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(f"{self.name}: labels must be 0..{len(self.classes) - 1}, got {low}..{high}")

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def length(self) -> int:
        """Samples of a sound."""
        return self.samples.shape[1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, rate, class names, samples and labels (not over `name`)."""
        digest = hashlib.sha256(f"{tuple(self.samples.shape)}|{self.rate}|{self.classes}".encode())
        digest.update(self.samples.contiguous().cpu().numpy().data)
        digest.update(self.labels.contiguous().cpu().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class SoundSplits:
    """Sounds as a study sees them; test is never trained on. Raises DataError if the splits do not match."""

    train: SoundSet
    test: SoundSet

    @property
    def digest(self) -> str:
        """SHA-256 over both splits."""
        return hashlib.sha256(f"{self.train.digest}|{self.test.digest}".encode()).hexdigest()

    def __post_init__(self) -> None:
        kinds = [(one.rate, one.length, one.classes) for one in (self.train, self.test)]
        if kinds[0] != kinds[1]:
            raise DataError(
                f"{self.train.name} and {self.test.name} must have the same rate, length and classes, got "
                f"{' and '.join(f'{rate} Hz, {length} samples, {len(names)} classes' for rate, length, names in kinds)}"
            )


def to_model_range(samples: Tensor) -> Tensor:
    """int16 [N, L] -> float32 [N, 1, L] in [-1, 1), x / 32768."""
    return samples.float().div_(FULL_SCALE).unsqueeze(1)


def to_samples(sounds: Tensor) -> Tensor:
    """Float [N, 1, L], nominally [-1, 1) -> int16 [N, L], rounded to the nearest; values out of range are clamped.

    Synchronises with the device. Raises NotFiniteError if a value is NaN or infinite, which int16 would hide.
    """
    if not bool(torch.isfinite(sounds).all()):
        raise NotFiniteError(f"generated sounds {list(sounds.shape)} hold values that are NaN or infinite")
    values = sounds.double() if sounds.dtype == torch.float64 else sounds.float()
    return values.mul(FULL_SCALE).round_().clamp_(-FULL_SCALE, FULL_SCALE - 1).to(torch.int16).squeeze(1)
