"""Mode coverage of mixtures of Gaussians in the plane, whose modes are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor
from papergan.randomness import seed_for

WITHIN = 3.0  # in deviations of a mode: how far a high-quality sample may be from its centre


@dataclass(frozen=True, eq=False)
class Mixture:
    """K round Gaussians of equal weight. centres: float [K, 2]. deviation: of every mode, in both directions."""

    centres: Tensor
    deviation: float

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or self.centres.shape[1] != 2 or not len(self.centres):
            raise EvaluationError(f"a mixture needs centres [K >= 1, 2], got {tuple(self.centres.shape)}")
        if not 0 < self.deviation < math.inf or not bool(self.centres.isfinite().all()):
            raise EvaluationError(f"a mixture needs finite centres and a deviation > 0, got {self.deviation}")

    @classmethod
    def ring(cls, modes: int = 8, radius: float = 2.0, deviation: float = 0.02) -> Mixture:
        """Centres equally spaced on a circle, the first at (radius, 0).

        The defaults are those of Metz et al. 2017, arXiv:1611.02163, section 3.1 and appendix A. PacGAN's code has the
        same ring at half the scale (radius 1, deviation 0.01).
        """
        # Without the end point: angles from 0 to 2 pi inclusive, as in a published demo, put two modes on one spot.
        angles = torch.tensor([2 * math.pi * mode / modes for mode in range(modes)], dtype=torch.float64)
        return cls(radius * torch.stack([angles.cos(), angles.sin()], dim=1), deviation)

    @classmethod
    def grid(cls, side: int = 5, spacing: float = 2.0, deviation: float = 0.05) -> Mixture:
        """side^2 centres on a square lattice around the origin; -4, -2, 0, 2, 4 by default.

        The defaults are those of Lin et al. 2018 (PacGAN), arXiv:1712.04086, section 4.1: variance 0.0025.
        """
        line = torch.tensor([(step - (side - 1) / 2) * spacing for step in range(side)], dtype=torch.float64)
        return cls(torch.cartesian_prod(line, line), deviation)

    def sample(self, count: int, seed: int) -> Tensor:
        """float32 [count, 2]; points pick their modes independently, so that shares vary as in a real data set."""
        draw = torch.Generator().manual_seed(seed_for(seed, "mixture"))
        chosen = torch.randint(len(self.centres), (count,), generator=draw)
        noise = torch.randn(count, 2, generator=draw, dtype=torch.float64)
        return (self.centres.cpu()[chosen] + self.deviation * noise).float()


@dataclass(frozen=True)
class ModeCoverage:
    """Coverage of the modes of a mixture.

    modes: number covered, 0..K. high_quality: share of the samples, 0..1. divergence: 0..ln K nats, 0 is best.
    """

    modes: int
    high_quality: float
    divergence: float


def mode_coverage(samples: Array, mixture: Mixture, within: float = WITHIN) -> ModeCoverage:
    """How many modes samples [N, 2] reach, how many samples are near one, and how evenly the modes share those.

    A sample is of high quality if |x - nearest centre| <= within * deviation. A mode is covered if at least one such
    sample is nearest to it. divergence = KL(q || uniform) = sum_k q_k ln(q_k K), q_k = mode k's share of the samples
    of high quality; ln K (the worst, all in one mode) if there is no such sample.
    Samples of the mixture itself reach high_quality = 1 - exp(-within^2 / 2), 0.989 for 3 deviations, never 1, and a
    divergence of about (K - 1) / (2 N); report both next to a generator's.
    Raises EvaluationError for other shapes, no samples, and samples that are not finite.
    Source: Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, section 5.1; the divergence: Lin et al. 2018, section 4.
    """
    samples = as_tensor(samples, "samples")
    if samples.ndim != 2 or samples.shape[1] != 2 or not len(samples) or not bool(samples.isfinite().all()):
        raise EvaluationError(f"mode coverage needs finite samples [N >= 1, 2], got shape {tuple(samples.shape)}")
    centres = mixture.centres.to(samples.device).double()
    offsets = samples.double().unsqueeze(1) - centres
    distance, nearest = offsets.square().sum(dim=2).sqrt().min(dim=1)
    counts = torch.bincount(nearest[distance <= within * mixture.deviation], minlength=len(centres))
    good = int(counts.sum())
    shares = counts.double() / good
    divergence = float(torch.xlogy(shares, shares * len(centres)).sum()) if good else math.log(len(centres))
    return ModeCoverage(int((counts > 0).sum()), good / len(samples), max(divergence, 0.0))
