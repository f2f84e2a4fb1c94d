"""Samples of fixed latents at every evaluation, for animations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress
from papergan.image_range import to_pixels

NUM_SHOWN = 64  # the same samples as in the sample grid
MAX_FRAMES = 32
NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Frame:
    """The samples of one evaluation: images uint8 [64, C, S, S] of the fixed latents.

    at: the levels of growing networks, {"networks.level": 1.5}.
    """

    step: int
    epoch: float
    images: Tensor
    at: Mapping[str, float] = field(default_factory=dict)


class SampleHistory:
    """At most 32 frames; when there would be more, every second one is dropped, and the newest is kept."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def add(self, sampler: Sampler, seed: int, progress: Progress, at: Mapping[str, float] = NOTHING) -> None:
        """Add a frame: the first 64 samples of this seed. at: see `Frame`."""
        images = torch.cat(list(sampler.stream(NUM_SHOWN, seed=seed, progress=progress)))
        if len(self.frames) >= MAX_FRAMES:
            self.frames = self.frames[1::2]
        self.frames.append(Frame(progress.step, progress.epoch, to_pixels(images).cpu(), dict(at)))

    def state_dict(self) -> list[dict[str, Any]]:
        return [vars(frame) for frame in self.frames]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        self.frames = [Frame(**frame) for frame in state]
