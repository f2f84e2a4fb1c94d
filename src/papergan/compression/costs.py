"""Costs of a generator: parameters, bytes, multiply-accumulate operations, and seconds on this machine."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from papergan.compression.onnx_quantisation import OnnxGenerator
from papergan.compression.variants import Variant
from papergan.compression.weight_pruning import zero_share
from papergan.extractors.feature_extractor import stop_if_requested
from papergan.reporting.model_summary import macs_of

ROUNDS, LEAST_SECONDS = 15, 0.02  # of each timing; a round repeats calls that take less


@dataclass(frozen=True)
class Costs:
    """Costs of a variant. parameters; zeros: share of them; both None for weights of 8-bit integers in an ONNX file.

    bytes: of the stored weights; bytes_packed: compressed by zlib. macs: multiply-accumulate operations per image, None
    likewise. peak_bytes: the most that torch holds at once for a batch, besides the weights; None likewise.
    """

    parameters: int | None
    zeros: float | None
    bytes: int
    bytes_packed: int
    macs: int | None
    peak_bytes: int | None


def costs_of(variant: Variant, batch: int = 64) -> Costs:
    """Costs that do not depend on the machine. batch: batch size of `peak_bytes`."""
    content, network = variant.file, variant.sampler.generator
    if variant.model is None:
        return Costs(None, None, len(content), len(zlib.compress(content)), None, None)
    return Costs(
        sum(p.numel() for p in network.parameters()), zero_share(network), len(content), len(zlib.compress(content)),
        macs_of(network, _arguments(variant, 2)), peak_bytes(_call(network, _arguments(variant, batch))),
    )  # fmt: skip


def peak_bytes(call: Callable[[], object]) -> int:
    """The most bytes that a call allocates at once on the CPU, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    call()  # what is allocated once and kept is not counted
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        call()
    assert record.profiler is not None
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return max(held, default=0)


def measure_seconds(
    variants: Sequence[Variant], batches: Sequence[int], *, threads: int, rounds: int = ROUNDS, compiled: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[tuple[str, str, int], list[float]]:  # fmt: skip
    """Seconds per batch by (variant, runtime, batch size), one value for every round.

    Runtimes: torch, onnxruntime, and torch.compile if `compiled`. Variants take turns within a round, so that a
    machine that slows down does so for all. threads: of all runtimes.
    Raises EvaluationStopped once `should_stop()` is true.
    """
    calls: dict[tuple[str, str, int], Callable[[], object]] = {}
    for variant in variants:
        runtimes: dict[str, nn.Module] = {}
        if variant.model is not None:
            runtimes["torch"] = variant.sampler.generator
            if compiled:
                runtimes["torch.compile"] = torch.compile(variant.sampler.generator, dynamic=False)  # type: ignore[assignment]
        if variant.onnx is not None:
            runtimes["onnxruntime"] = OnnxGenerator(variant.onnx, threads)
        for size in batches:
            arguments = _arguments(variant, size)
            for runtime, network in runtimes.items():
                calls[variant.name, runtime, size] = _call(network, arguments)
    found: dict[tuple[str, str, int], list[float]] = {key: [] for key in calls}
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for call in calls.values():  # a runtime's warm-up is not part of its time
            call()
        repeats = {key: max(1, round(LEAST_SECONDS / seconds_of(call, 1))) for key, call in calls.items()}
        for _ in range(rounds):
            stop_if_requested(should_stop, "while times were measured")
            for key, call in calls.items():
                found[key].append(seconds_of(call, repeats[key]))
    finally:
        torch.set_num_threads(before)
    return found


def median_and_spread(seconds: Sequence[float]) -> tuple[float, float]:
    """The median, and half of the distance between the quartiles."""
    low, _, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else (seconds[0],) * 3
    return statistics.median(seconds), (high - low) / 2


def seconds_of(call: Callable[[], object], repeats: int) -> float:
    """Seconds of one call, the mean of `repeats`."""
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats


def _call(network: nn.Module, arguments: tuple[Tensor, ...]) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return network(*arguments)

    return call


def _arguments(variant: Variant, count: int) -> tuple[Tensor, ...]:
    return variant.sampler.latents(count, 0, "costs", progress=variant.progress)
