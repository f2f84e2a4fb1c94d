"""Exponential moving average (EMA) of a generator's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from papergan.game.sampler import Sampler
from papergan.game.schedules import GraphScalars, Progress, Schedule, value


class EMA:
    """Exponential moving average: theta_ema <- decay * theta_ema + (1 - decay) * theta, after every training step.

    In float32. decay: in [0, 1), a constant or a schedule. Source: Karras et al. 2018, arXiv:1710.10196, section 3.
    Weights are averaged; buffers (BatchNorm's running statistics) are copied from the generator in training, and must
    be re-estimated with `Sampler.estimate_batch_norm` before sampling for evaluation or export.
    """

    def __init__(self, decay: Schedule = 0.999) -> None:
        if not callable(decay) and not 0.0 <= decay < 1.0:
            raise ValueError(f"the decay of an average must be in [0, 1), got {decay}")
        self.decay = decay

    def follow(self, source: Sampler) -> None:
        """Start at the present weights of `source`, and average its weights from now on."""
        self.source = source
        self.sampler = copy.deepcopy(source).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, progress: Progress | GraphScalars) -> None:
        """Update the average with the present weights."""
        averaged, moving = _tensors(self.sampler), _tensors(self.source)
        share = value(self._share if callable(self.decay) else 1.0 - self.decay, progress)
        if isinstance(share, Tensor):  # torch takes tensor weights only as a list; bit-identical
            torch._foreach_lerp_(averaged[0], moving[0], [share] * len(moving[0]))
        else:
            torch._foreach_lerp_(averaged[0], moving[0], share)
        if averaged[1]:
            torch._foreach_copy_(averaged[1], moving[1])

    def _share(self, progress: Progress) -> float:
        """1 - decay, computed in double precision: for a decay near 1, float32 would keep three digits of it."""
        assert callable(self.decay)
        return 1.0 - self.decay(progress)

    def state_dict(self) -> dict[str, Tensor]:
        return self.sampler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.sampler.load_state_dict(state, strict=True)


def _tensors(sampler: Sampler) -> tuple[list[Tensor], list[Tensor]]:
    return [parameter.data for parameter in sampler.parameters()], list(sampler.buffers())
