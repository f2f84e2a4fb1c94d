"""Settings of sounds, their mel spectrograms and their classifier; strict models."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from papergan.validation import SampleCount, Seed, StrictModel

LEAST_RATE, MOST_RATE = 4000, 48000  # Hz
LEAST_LENGTH, MOST_LENGTH = 1024, 65536  # samples
Level = Annotated[float, Field(ge=-120.0, le=0.0)]  # dB, of a root mean square below full scale


class SoundData(StrictModel):
    """Sounds of `length` samples at `rate` Hz. train, test: how many are drawn. seed: of the draws.

    folder: WAV files instead of drawn sounds, in a subfolder per class; held_out: the share of the files, drawn from
    each class, that is the test split and never trained on.
    """

    length: Annotated[int, Field(ge=LEAST_LENGTH, le=MOST_LENGTH)] = 16384
    rate: Annotated[int, Field(ge=LEAST_RATE, le=MOST_RATE)] = 16000
    train: SampleCount = 4000
    test: Annotated[SampleCount, Field(ge=2)] = 1000
    folder: Annotated[str, Field(min_length=1)] | None = None
    held_out: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    seed: Annotated[Seed, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.length & (self.length - 1):
            raise ValueError(f"length: a power of two of samples, got {self.length}")
        return self


class MelSettings(StrictModel):
    """Mel spectrograms: windows of `fft` samples, one every `hop`, in `bands` mel bands up to half the rate."""

    fft: Annotated[int, Field(ge=64, le=8192)] = 1024
    hop: Annotated[int, Field(ge=16, le=4096)] = 256
    bands: Annotated[int, Field(ge=8, le=256)] = 80


class ClassifierSettings(StrictModel):
    """The classifier of the sounds, whose features and classes score generated sounds.

    least_steps: with few sounds, training takes more than `epochs` passes, until it has done this many steps. noise_db:
    white noise is added to every training sound, between these levels below full scale, so that the classifier does not
    rely on what is inaudible: the silence of drawn sounds is digital, that of generated ones is not.
    """

    width: Annotated[int, Field(ge=1, le=1024)] = 16
    epochs: Annotated[int, Field(ge=1, le=1000)] = 8
    least_steps: Annotated[int, Field(ge=1, le=100_000)] = 400
    noise_db: Annotated[tuple[Level, Level], Field(strict=False)] = (-60.0, -20.0)
    seed: Annotated[Seed, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.noise_db[0] > self.noise_db[1]:
            raise ValueError(f"noise_db: the lower level first, got {list(self.noise_db)}")
        return self
