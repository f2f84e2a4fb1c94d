"""The exponential moving average of what is sampled."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from papergan.game.sampler import Sampler
from papergan.game.schedules import GraphScalars, Progress, Schedule, value


class EMA:
    """theta_ema <- decay * theta_ema + (1 - decay) * theta, in float32, after every iteration.

    tahvili2025, eq. 3; Karras et al. 2018 (arXiv:1710.10196), section 3. decay: in [0, 1), a knob.
    Weights are averaged; buffers (BatchNorm's running statistics) are copied from the generator that moves, and are to
    be re-estimated with `Sampler.estimate_batch_norm` before anything is sampled for evaluation or publication.
    """

    def __init__(self, decay: Schedule = 0.999) -> None:
        if not callable(decay) and not 0.0 <= decay < 1.0:
            raise ValueError(f"the decay of an average must be in [0, 1), got {decay}")
        self.decay = decay

    def follow(self, source: Sampler) -> None:
        """Begin at the present weights of `source`."""
        self.source = source
        self.sampler = copy.deepcopy(source).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, progress: Progress | GraphScalars) -> None:
        """Take one step towards the weights that are being averaged."""
        averaged, moving = _tensors(self.sampler), _tensors(self.source)
        share = value(self._share if callable(self.decay) else 1.0 - self.decay, progress)
        if isinstance(share, Tensor):  # torch has this for a tensor per tensor only; the same bits
            torch._foreach_lerp_(averaged[0], moving[0], [share] * len(moving[0]))
        else:
            torch._foreach_lerp_(averaged[0], moving[0], share)
        if averaged[1]:
            torch._foreach_copy_(averaged[1], moving[1])

    def _share(self, progress: Progress) -> float:
        """1 - decay, taken in double precision: next to 1, float32 would keep three digits of it."""
        assert callable(self.decay)
        return 1.0 - self.decay(progress)

    def state_dict(self) -> dict[str, Tensor]:
        return self.sampler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.sampler.load_state_dict(state, strict=True)


def _tensors(sampler: Sampler) -> tuple[list[Tensor], list[Tensor]]:
    return [parameter.data for parameter in sampler.parameters()], list(sampler.buffers())
