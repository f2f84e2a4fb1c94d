"""Times nearest-neighbour metrics: `python benchmarks/neighbours.py --samples 10000 --real 50000 --dimension 448`.

Precision, recall, density, coverage and two-sample accuracy of features of several shapes, in seconds and in multiples
of the first: one distribution (normal), ten clusters whose spread is a thousandth and a ten-millionth of their
distance, ten fakes that all others repeat, and one outlier a thousand deviations away. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import astuple

import torch
from torch import Tensor

from papergan.metrics.nearest_neighbours import neighbourhoods
from papergan.tracking import provenance

MODES = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("samples", 10_000), ("real", 50_000), ("dimension", 448)):
        parser.add_argument(f"--{name}", type=int, default=default)
    names = {name.split()[0]: name for name in cases(10, 10, 2)}
    parser.add_argument("--cases", nargs="+", choices=names, default=[*names], help="some of them only")
    given = parser.parse_args()
    print(f"{provenance.hardware(torch.device('cpu'))}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{given.samples} samples against {given.real} real images, {given.dimension} features\n")
    shown = next(name for word, name in names.items() if word in given.cases)
    print(f"| features | seconds | of {shown} | precision | recall | density | coverage | two-sample |")
    print("|---|---|---|---|---|---|---|---|")
    first = None
    for name, (fake, real) in cases(given.samples, given.real, given.dimension).items():
        if name.split()[0] not in given.cases:
            continue
        started = time.perf_counter()
        scores = astuple(neighbourhoods(fake, real))
        seconds = time.perf_counter() - started
        first = first or seconds
        print(
            f"| {name} | {seconds:.1f} | {seconds / first:.2f} | " + " | ".join(f"{s:.3f}" for s in scores) + " |",
            flush=True,
        )


def cases(samples: int, real: int, dimension: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Fakes [samples, D] and reals [real, D] by the name of the case."""
    torch.manual_seed(0)
    modes = torch.randn(MODES, dimension)
    counts = (samples, real)

    def clustered(spread: float) -> tuple[Tensor, Tensor]:
        first, second = (modes[torch.randint(MODES, (n,))] + spread * torch.randn(n, dimension) for n in counts)
        return first, second

    fake, other = (torch.randn(n, dimension) for n in counts)
    outlier = fake.clone()
    outlier[0] *= 1000
    return {
        "normal": (fake, other),
        "clusters 1e-3": clustered(1e-3),
        "noise 1e-7": clustered(1e-7),
        "collapsed": (fake[:MODES].repeat(-(-samples // MODES), 1)[:samples], other),
        "outlier": (outlier, other),
    }


if __name__ == "__main__":
    main()
