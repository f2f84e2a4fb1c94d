"""The cost of a training step on this machine: seconds, FLOPs and memory, measured on random images."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from papergan.game.game import Game
from papergan.game.schedules import Progress
from papergan.game.training_step import training_step
from papergan.randomness import own_random_state
from papergan.training.numerics import Precision, autocast_type, numerics


class StepCost(NamedTuple):
    """The cost of a training step. seconds: median. steps: number of timed steps. peak_bytes: of the process or GPU."""

    seconds: float
    steps: int
    flops: int | None
    peak_bytes: int


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up FLOPs of convolutions and matrix products, two per multiplication; also inside `autograd.grad`.

    Counts as torch does, except for grouped convolutions: there torch counts the derivative in the weights as if all
    channels were connected. Here each derivative costs as much as the convolution.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution_backward.default:
            self.flops += _flops_of_derivatives(*args)
        elif (count := flop_registry.get(func._overloadpacket)) is not None:
            self.flops += int(count(*args, **(kwargs or {}), out_val=result))
        return result


def _flops_of_derivatives(slope: Tensor, x: Tensor, weight: Tensor, *settings: Any) -> int:
    """FLOPs of a convolution's derivatives in its input and its weight, if requested."""
    transposed, wanted = settings[4], settings[7]
    once: int = conv_flop_count(list(x.shape), list(weight.shape), list(slope.shape), transposed=transposed)
    return once * int(sum(wanted[:2]))


def measure_step(
    game: Game, batch: Mapping[str, Tensor], *, precision: Precision = "float32", deterministic: bool = False,
    enough: float = 0.0, limit: float = 10.0, count_flops: bool = False, images: int = 0,
) -> StepCost:  # fmt: skip
    """Measure the cost of a step of `game`. This trains the game: pass one that is discarded afterwards.

    batch: used in every step, on the game's device. The first step is a warm-up and is not timed, unless it takes at
    least `limit` seconds or at most `enough`: then it is the only step. Further steps are timed for `limit` seconds, at
    most ten. images: images shown before, which set the level of growing networks. Restores the ambient random state.
    """
    device = game.device
    with numerics(precision, deterministic=deterministic), own_random_state(device):
        batches, batch_size = [batch] * game.batches_per_step, len(batch["image"])

        def run(step: int) -> float:
            started = time.perf_counter()
            training_step(game, batches, Progress(step, images + step * batch_size), autocast=autocast_type(precision))
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return time.perf_counter() - started

        times = [run(0)]
        if enough < times[0] < limit:
            first = times.pop()
            while len(times) < 10 and sum(times) + first < limit:
                times.append(run(len(times) + 1))
        flops = None
        if count_flops:
            with FlopCounter() as counter:
                run(len(times) + 1)
            flops = counter.flops
    return StepCost(sorted(times)[len(times) // 2], len(times), flops, _peak_bytes(device))


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def duration(seconds: float) -> str:
    """A duration in words, to at most two digits: "40 seconds", "5 minutes", "3.5 hours", "17 days"."""
    for unit, size in (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size or unit == "second":
            value = seconds / size
            shown = f"{value:.0f}" if value >= 9.95 else f"{math.ceil(2 * value - 0.5) / 2:g}"
            return f"{shown} {unit}" + ("" if shown == "1" else "s")
    raise AssertionError("unreachable")
