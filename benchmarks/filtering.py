"""Two implementations of fixed filters: `python benchmarks/filtering.py --batch 16 --threads 1`.

Downsampling by two with the filter [1, 3, 3, 1], by matrix products and by a convolution per channel: forward only,
with the derivative with respect to the maps, and with the second derivative of a gradient penalty. The two alternate in
the same run; the ratio is of the minimum times, convolutions to matrices. On a CPU it is processor time, since a
machine may be shared. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from papergan.game.filtering import halved
from papergan.networks.layers.resampling import LINE
from papergan.tracking import provenance


def by_convolutions(maps: Tensor, taps: Tensor, *, padding: int) -> Tensor:
    """Like `halved`, by a convolution per channel along each axis."""
    channels = maps.shape[1]
    weights = taps.expand(channels, 1, 1, -1)
    across = conv2d(maps, weights, stride=(1, 2), padding=(0, padding), groups=channels)
    return conv2d(across, weights.transpose(2, 3), stride=(2, 1), padding=(padding, 0), groups=channels)


WAYS = {"matrices": halved, "convolutions": by_convolutions}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("batch", 16), ("threads", 1), ("repeats", 7), ("channels", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sizes", type=int, nargs="*", default=[8, 32, 64, 128, 256])
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    print(f"{provenance.hardware(device)}, {given.threads} threads, torch {torch.__version__}")
    print(f"batch {given.batch}, {given.channels} channels\n")
    print("| numbers | size | what | matrices, ms | convolutions, ms | ratio |")
    print("|---|---|---|---|---|---|")
    for dtype in (torch.float32, torch.bfloat16):
        for size in given.sizes:
            maps = torch.randn(given.batch, given.channels, size, size, device=device)
            maps = maps.to(dtype=dtype, memory_format=torch.channels_last).requires_grad_()
            for what, run in WHAT.items():
                matrices, convolutions = measured(run, maps, given.repeats)
                print(
                    f"| {str(dtype).removeprefix('torch.')} | {size} | {what} | {matrices:.2f} | {convolutions:.2f} | "
                    f"{convolutions / matrices:.2f} |",
                    flush=True,
                )


def measured(run: Callable[[Callable[[Tensor], Tensor], Tensor], object], maps: Tensor, repeats: int) -> list[float]:
    """Milliseconds of each implementation, the minimum of `repeats`."""
    taps = (torch.tensor(LINE, device=maps.device) / sum(LINE)).to(maps.dtype)
    clock = time.process_time if maps.device.type == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(repeats + 1):
        for name, way in WAYS.items():
            _wait(maps.device)
            started = clock()
            run(lambda x, way=way: way(x, taps, padding=1), maps)  # type: ignore[misc]
            _wait(maps.device)
            times[name].append(1000 * (clock() - started))
    return [min(one[1:]) for one in times.values()]


def forward(layer: Callable[[Tensor], Tensor], maps: Tensor) -> None:
    """The forward pass only."""
    with torch.no_grad():
        layer(maps)


def derivative(layer: Callable[[Tensor], Tensor], maps: Tensor) -> None:
    """The forward pass and the derivative with respect to the maps."""
    torch.autograd.grad(layer(maps).square().sum(), maps)


def second_derivative(layer: Callable[[Tensor], Tensor], maps: Tensor) -> None:
    """The second derivative, as in a gradient penalty."""
    (slope,) = torch.autograd.grad(layer(maps).square().sum(), maps, create_graph=True)
    torch.autograd.grad(slope.square().sum(), maps)


WHAT = {"forward": forward, "derivative": derivative, "second derivative": second_derivative}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
