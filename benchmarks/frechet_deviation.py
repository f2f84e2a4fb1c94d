"""Estimated and true deviations of the Frechet distance: `python benchmarks/frechet_deviation.py --fresh 200`.

The truth is the deviation over `--fresh` independent sets of samples against the same real ones. As multiples of it,
the table shows the mean of `--estimates` runs of `frechet_deviation` and of an ordinary bootstrap with 20 resamples,
each with its spread. Features are normal with the spectrum k^-power; heavy tails have a common factor exp(N(0, 1)) (at
most 5) per sample. `--images FILE.parquet` takes real images, averaged to 8x8 pixels and passed through a fixed random
layer of 128 ReLUs: half of them are the reals, and samples are drawn from the other half. Prints Markdown.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from papergan.data.parquet import parquet_pictures
from papergan.metrics.feature_statistics import FeatureStatistics
from papergan.metrics.frechet_distance import frechet_deviation, frechet_distance
from papergan.tracking import provenance

Draw = Callable[[int, int], Tensor]  # count, seed -> features [count, D]
REAL = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", type=int, default=200)
    parser.add_argument("--estimates", type=int, default=8)
    parser.add_argument("--dimensions", type=int, nargs="*", default=[8, 64, 200])
    parser.add_argument("--images", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    print(f"{provenance.hardware(torch.device('cpu'))}, torch {torch.__version__}; {given.fresh} fresh sets\n")
    print("| features | D | N | distance | true deviation | ours / true | bootstrap / true |")
    print("|---|---|---|---|---|---|---|")
    for name, draw, real in [*of_laws(given.dimensions), *(case for path in given.images for case in of_images(path))]:
        for count in counts(real.dimension):
            print(f"| {name} | {real.dimension} | {count} | {line(draw, real, count, given)} |", flush=True)


def counts(dimension: int) -> tuple[int, ...]:
    """Numbers of samples: one and a half, four and twenty times the dimension, at least 100."""
    return tuple(sorted({max(100, round(factor * dimension)) for factor in (1.5, 4, 20)}))


def line(draw: Draw, real: FeatureStatistics, count: int, given: argparse.Namespace) -> str:
    """The last four cells of a row."""
    found = [frechet_distance(FeatureStatistics.of(draw(count, seed)), real) for seed in range(given.fresh)]
    truth = float(np.std(found, ddof=1))
    sets = [draw(count, 10_000 + seed) for seed in range(given.estimates)]
    ratios = [np.array([how(some, real) for some in sets]) / truth for how in (frechet_deviation, bootstrap)]
    cells = (f"{ratio.mean():.2f} ± {ratio.std(ddof=1):.2f}" for ratio in ratios)
    return f"{np.mean(found):.4g} | {truth:.3g} | {' | '.join(cells)}"


def bootstrap(features: Tensor, real: FeatureStatistics, resamples: int = 20) -> float:
    """The bootstrap of Efron 1979: N of N samples with replacement."""
    draw = torch.Generator().manual_seed(0)
    rows = (torch.randint(len(features), (len(features),), generator=draw) for _ in range(resamples))
    return float(np.std([frechet_distance(FeatureStatistics.of(features[some]), real) for some in rows], ddof=1))


def of_laws(dimensions: list[int]) -> Iterator[tuple[str, Draw, FeatureStatistics]]:
    """Normal features, from one distribution, and shifted by a tenth of or by a whole deviation in every direction."""
    for dimension in dimensions:
        for power in (0.0, 1.0):
            spread = torch.arange(1, dimension + 1) ** -power
            for heavy in (False, True):

                def draw(count: int, seed: int, spread: Tensor = spread, heavy: bool = heavy) -> Tensor:
                    state = torch.Generator().manual_seed(seed)
                    size = torch.randn(count, 1, generator=state).exp().clamp_max(5) if heavy else 1.0
                    return torch.randn(count, len(spread), generator=state) * size * spread

                real = FeatureStatistics.of(draw(REAL, 10**6))
                for shift in (0.0, 0.1, 1.0):

                    def moved(count: int, seed: int, draw: Draw = draw, by: Tensor = shift * spread) -> Tensor:
                        return draw(count, seed) + by

                    yield f"spectrum k^-{power:g}{', heavy tails' if heavy else ''}, moved {shift:g}", moved, real


def of_images(path: Path) -> Iterator[tuple[str, Draw, FeatureStatistics]]:
    """Real features from one file: samples of the same distribution, and with a tenth more contrast."""
    pictures = (Image.open(io.BytesIO(picture.content)) for picture in parquet_pictures([path]))
    pixels = torch.stack([torch.from_numpy(np.array(one)).reshape(*one.size, -1) for one in pictures]).movedim(-1, 1)
    layer = torch.randn(64 * pixels.shape[1], 128, generator=torch.Generator().manual_seed(1)) / 8
    small = torch.cat([adaptive_avg_pool2d(part.float(), 8).flatten(1) for part in pixels.split(1000)]) / 127.5 - 1
    small = small[torch.randperm(len(small), generator=torch.Generator().manual_seed(2))]
    half = len(small) // 2
    for kind, see in (("pixels", torch.nn.Identity()), ("random ReLUs", lambda rows: (rows @ layer).relu())):
        real = FeatureStatistics.of(see(small[:half]))
        for contrast in (1.0, 1.1):
            others = see(small[half:] * contrast)

            def draw(count: int, seed: int, others: Tensor = others) -> Tensor:
                return others[torch.randint(half, (count,), generator=torch.Generator().manual_seed(seed))]

            yield f"{path.parent.name}, {kind}, contrast {contrast:g}", draw, real


if __name__ == "__main__":
    main()
