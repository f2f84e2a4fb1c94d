"""`Trainer` with a clock in each step, for the share in which the host is busy in Python and dispatch."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import torch

from papergan.training.trainer import Trainer


class OnGPU(Trainer):
    """`Trainer` that records the share of each step until the host has dispatched it to an idle device."""

    shares: ClassVar[list[float]] = []

    def _run_step(self) -> None:
        torch.cuda.synchronize(self.game.device)
        started = time.perf_counter()
        super()._run_step()
        busy = time.perf_counter() - started
        torch.cuda.synchronize(self.game.device)
        self.shares.append(busy / (time.perf_counter() - started))


class OnCPU(Trainer):
    """`Trainer` that records the share of each step spent outside operators, according to torch's profiler."""

    shares: ClassVar[list[float]] = []

    def _run_step(self) -> None:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            started = time.perf_counter()
            super()._run_step()
            whole = 1e6 * (time.perf_counter() - started)
        inside = sum(event.time_range.elapsed_us() for event in profile.events() or [] if _is_outermost(event))
        self.shares.append(1 - inside / whole)


def _is_outermost(event: Any) -> bool:
    """Whether no other operator called it; calls from autograd and optimisers have a parent that is no operator."""
    if not event.name.startswith("aten::"):
        return False
    above = event.cpu_parent
    while above is not None and not above.name.startswith("aten::"):
        above = above.cpu_parent
    return above is None
