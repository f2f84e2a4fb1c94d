"""The kernel distance between two sets of features: KID where the features are Inception's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.extractors.feature_extractor import full_precision
from papergan.metrics.arrays import Array, as_tensor
from papergan.randomness import seed_for

ROWS_PER_BLOCK = 512  # a block of kernel values is [512, N]: 100 MB for 50 000 images
FEWEST_TO_RESAMPLE = 10  # with two fakes, every second resample is one fake twice, which leaves no pair
LARGEST_IN_FLOAT32 = 64.0  # |x| |y| / D, up to which float32 is off by less than a thousandth of the std


@dataclass(frozen=True)
class KernelDistance:
    """A kernel distance.

    mean, std: of MMD^2 over the `subsets`, ddof 0; the mean is zero in expectation for equal distributions and may be
    negative.

    std is the spread of the distances of small subsets, NOT a standard error of the mean: the subsets overlap, and it
    does not shrink with more of them. For an error see `kernel_distance_deviation`.
    """

    mean: float
    std: float
    subsets: int

    @property
    def deviation_of_draws(self) -> float:
        """Standard deviation of the mean due to the choice of subsets, std / (subsets - 1)^(1/2); 0 for one."""
        return self.std / (self.subsets - 1) ** 0.5 if self.subsets > 1 else 0.0


def kernel_distance(
    fake: Array, real: Array, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Squared maximum mean discrepancy of features with a cubic kernel; 0 = equal distributions, unbiased in N.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),  k(x, y) = (x.y / D + 1)^3,
    over pairs of different samples (i != j) within a set and over all pairs across, averaged over `subsets` pairs of
    subsets of n = min(subset_size, N, M) rows drawn without replacement.
    fake [N, D], real [M, D]: any float type. seed: of the subsets, independent of earlier draws. The kernel is
    not invariant to translation, so features keep their offset: where products of two of them exceed 64 D, the cube is
    taken in float64, else in float32, which is faster and off by less than a thousandth of the std.
    purwono2025 prints the formula with the signs reversed and without the factor 2 (II.C, eq. 4), so that better
    generators would score higher; the formula of the sources is implemented.
    Raises EvaluationError for fewer than two samples, different dimensions, and features that are not finite.
    Source: Binkowski et al. 2018, arXiv:1801.01401, section 4; Gretton et al. 2012, JMLR 13, Lemma 6 (unbiased).
    """
    fake, real = as_tensor(fake, "fake features"), as_tensor(real, "real features")
    _check(fake, real, at_least=2)
    size = min(subset_size, len(fake), len(real))
    if subsets < 1 or size < 2:
        raise EvaluationError(f"a kernel distance needs subsets of at least 2, got {subsets} subsets of {size}")
    fake, real = _precise_enough(fake, real)
    draw = torch.Generator().manual_seed(seed_for(seed, "kernel distance"))
    with full_precision(fake.device):
        parts = [_discrepancy(_subset(fake, size, draw), _subset(real, size, draw)) for _ in range(subsets)]
    values = torch.stack(parts)
    return KernelDistance(float(values.mean()), float(values.std(correction=0)), subsets)


def kernel_distance_deviation(
    fake: Array, real: Array, *, kernel: KernelDistance | None = None, resamples: int = 20, seed: int = 0,
    limit: int = 10_000,
) -> float:  # fmt: skip
    """Standard deviation of a kernel distance over the choice of fakes and of subsets; the reals are fixed.

    For multinomial counts w of n = min(N, limit) fakes (all, or drawn by the seed) the distance is, up to a constant,
    sum_{i != j} w_i w_j k(x_i, x_j) / sum_{i != j} w_i w_j - 2 sum_ij w_i k(x_i, y_j) / (n M);
    a fake is never paired with its own copy, which would raise every resample. The deviation s (ddof 1) of that over
    the `resamples` belongs to ONE distance of all n fakes to all M reals. It is right where the distributions
    differ; where they are equal the first-order term vanishes and the bootstrap is too large, by at most sqrt(3). For
    N > limit it is multiplied by (n / N)^(1/2), the rate of that term, again too large for equal distributions.
    kernel: the distance of these same sets whose deviation is wanted; None = that of all pairs. In expectation over the
    draw of subsets their mean is the distance of all pairs, so its variance is the sum of s^2 and that of the draw,
    std^2 / (subsets - 1). For one subset the latter is not known and left out.
    Raises EvaluationError as `kernel_distance`, and for fewer than 10 fakes or 2 resamples.
    Source: Efron 1979, Ann. Statist. 7, section 2, applied to the U-statistic of Gretton et al. 2012, Lemma 6.
    """
    fake, real = as_tensor(fake, "fake features"), as_tensor(real, "real features")
    _check(fake, real, at_least=FEWEST_TO_RESAMPLE)
    if resamples < 2:
        raise EvaluationError(f"a deviation needs at least 2 resamples, got {resamples}")
    total = len(fake)
    fake, real = _precise_enough(_some(fake, limit, seed), real)
    count = len(fake)
    weights = _multinomial_counts(count, resamples, seed).to(fake)
    among = torch.zeros(resamples, dtype=torch.float64, device=fake.device)
    across = torch.zeros_like(among)
    with full_precision(fake.device):
        for start in range(0, count, ROWS_PER_BLOCK):
            rows, weight = fake[start : start + ROWS_PER_BLOCK], weights[:, start : start + ROWS_PER_BLOCK]
            pairs_of = _kernel(rows, fake)
            pairs_of.diagonal(start).zero_()
            among += (weight @ pairs_of).mul_(weights).sum(1, dtype=torch.float64)
            across += weight.double() @ _kernel(rows, real).mean(1, dtype=torch.float64)
    pairs = count**2 - weights.double().square().sum(1)
    of_all = float((among / pairs - 2 * across / count).std()) * (count / total) ** 0.5
    return math.hypot(of_all, 0.0 if kernel is None else kernel.deviation_of_draws)


def _discrepancy(fake: Tensor, real: Tensor) -> Tensor:
    return _mean_of_pairs(fake) + _mean_of_pairs(real) - 2 * _kernel(fake, real).mean(dtype=torch.float64)


def _mean_of_pairs(features: Tensor) -> Tensor:
    """Mean of k(x_i, x_j) over i != j, float64 []."""
    kernel = _kernel(features, features)
    total = kernel.sum(dtype=torch.float64) - kernel.diagonal().sum(dtype=torch.float64)
    return total / (len(features) * (len(features) - 1))


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """(a.b / D + 1)^3 [len(a), len(b)], in the type of both."""
    return torch.addmm(a.new_ones(1), a, b.T, alpha=1 / a.shape[1]).pow_(3)


def _precise_enough(fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Both on one device, as float32 where the kernel keeps its digits, else as float64.

    k = (z + 1)^3 with z = |x|^2 / D about c^2 for features of offset c, while what distinguishes two distributions is
    about 3 z^2 / (D^(1/2) n): float32 loses it from z = 10^4 on.
    """
    largest = [float(torch.linalg.vector_norm(some.float(), dim=1).max()) for some in (fake, real)]
    if largest[0] * largest[1] <= LARGEST_IN_FLOAT32 * fake.shape[1]:
        return fake.float(), real.to(fake.device).float()
    device = fake.device if fake.device.type in ("cpu", "cuda") else "cpu"  # others have no float64
    return fake.to(device).double(), real.to(device).double()


def _some(features: Tensor, limit: int, seed: int) -> Tensor:
    """All features, or `limit` of them drawn without replacement."""
    if len(features) <= limit:
        return features
    return _subset(features, limit, torch.Generator().manual_seed(seed_for(seed, "fakes of the kernel distance")))


def _subset(features: Tensor, size: int, draw: torch.Generator) -> Tensor:
    return features[torch.randperm(len(features), generator=draw)[:size].to(features.device)]


def _multinomial_counts(count: int, resamples: int, seed: int) -> Tensor:
    """How often each of `count` samples is in each resample, float32 [resamples, count], rows of sum `count`."""
    draw = torch.Generator().manual_seed(seed_for(seed, "kernel distance deviation"))
    chosen = torch.randint(count, (resamples, count), generator=draw)
    return torch.zeros(resamples, count).scatter_add_(1, chosen, torch.ones(resamples, count))


def _check(fake: Tensor, real: Tensor, *, at_least: int) -> None:
    for name, features, fewest in (("fake", fake, at_least), ("real", real, 2)):
        if features.ndim != 2 or len(features) < fewest:
            raise EvaluationError(
                f"a kernel distance needs {name} features [N >= {fewest}, D], got {tuple(features.shape)}"
            )
        if not bool(features.isfinite().all()):
            raise EvaluationError(f"{name} features contain NaN or infinity; the images or the extractor are damaged")
    if fake.shape[1] != real.shape[1]:
        raise EvaluationError(f"features of dimension {fake.shape[1]} and {real.shape[1]} cannot be compared")
