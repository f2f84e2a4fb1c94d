"""Settings of the compression of a trained generator: which one, into what, and how it is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from papergan.compression.variants import Compression
from papergan.training.numerics import Device
from papergan.validation import BatchSize, Repeats, SampleCount, Seeds, StrictModel

BASELINE = "float32"  # the variant that is the generator as it is


class CompressionSettings(StrictModel):
    """Settings of `compression`.

    model: the name of an experiment that was trained here, or what `papergan.load` takes. variants: by name;
    `float32`, which changes nothing, is the generator as it is. num_samples, seeds: of the samples that are scored,
    once for each seed; everything else is as in the model's own protocol. batch_sizes: those that are timed, in
    `rounds`, with `threads` threads. compiled: time torch.compile too, half a minute for each variant; it needs a C++
    compiler. device: for the features; variants run on the CPU.
    """

    model: str = ""
    variants: dict[str, Compression]
    num_samples: SampleCount = 10_000
    seeds: Seeds = (0, 1, 2)
    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=1, max_length=8, strict=False)] = (1, 64)
    rounds: Annotated[Repeats, Field(ge=3)] = 15
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    compiled: bool = False
    device: Device = "auto"

    @model_validator(mode="after")
    def _has_a_baseline(self) -> CompressionSettings:
        if self.variants.get(BASELINE) != Compression():
            raise ValueError(f"variants: one is the generator as it is, with which all are compared: {BASELINE}: {{}}")
        return self
