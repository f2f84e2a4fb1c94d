"""Two implementations of modulated convolutions: `python benchmarks/modulation.py --batch 32 --threads 1`.

Forward and backward passes of a 3x3 convolution with demodulation, also with doubled resolution: by scaling the maps
before and after a shared convolution, and by weights per image in a grouped convolution. The two alternate in the same
run; the ratio is of the minimum times, grouped to scaled. On a CPU it is processor time, since a machine may be shared.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from typing import get_args

import torch

from papergan.networks.layers.modulation import Implementation, modulated_convolution
from papergan.tracking import provenance


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("batch", 32), ("threads", 1), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--sizes", type=int, nargs="*", default=[4, 16, 32])
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    print(f"{provenance.hardware(device)}, {given.threads} threads, torch {torch.__version__}, batch {given.batch}\n")
    print("| numbers | channels | size | up | scaled, ms | grouped, ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for dtype in (torch.float32, torch.bfloat16):
        for width in given.widths:
            for size in given.sizes:
                for up in (False, True):
                    scaled, grouped = measured(given.batch, width, size, up, dtype, device, given.repeats)
                    print(
                        f"| {str(dtype).removeprefix('torch.')} | {width} | {size} | {'yes' if up else 'no'} | "
                        f"{scaled:.2f} | {grouped:.2f} | {grouped / scaled:.2f} |",
                        flush=True,
                    )


def measured(
    batch: int, width: int, size: int, up: bool, dtype: torch.dtype, device: torch.device, repeats: int
) -> list[float]:
    """Milliseconds of forward and backward with each implementation, the minimum of `repeats`."""
    torch.manual_seed(0)
    x = torch.randn(batch, width, size, size, device=device).to(dtype=dtype, memory_format=torch.channels_last)
    x.requires_grad_()
    weight = torch.randn(width, width, 3, 3, device=device).to(memory_format=torch.channels_last).requires_grad_()
    styles = torch.randn(batch, width, device=device, requires_grad=True)
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in get_args(Implementation)}
    for _ in range(repeats + 1):
        for name in get_args(Implementation):
            _wait(device)
            started = clock()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                out = modulated_convolution(x, weight, styles, up=up, implementation=name)
            torch.autograd.grad(out.float().sum(), (x, weight, styles))
            _wait(device)
            times[name].append(1000 * (clock() - started))
    return [min(one[1:]) for one in times.values()]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
