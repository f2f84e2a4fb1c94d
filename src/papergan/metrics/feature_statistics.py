"""Mean and covariance of features, gathered in one pass and in float64."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from papergan.errors import EvaluationError
from papergan.metrics.arrays import Array, as_tensor

ROWS_PER_UPDATE = 1024  # one [1024, D] product costs far less than 32 products of 32 rows
NOT_A_COVARIANCE = 1e-8  # rounding leaves eigenvalues of about -1e-13 of the largest one; this is far beyond it


class FeatureStatistics:
    """Count, mean [D] and centred scatter [D, D] of a stream of features.

    Two parts are merged by Chan's formula: with d = mean_2 - mean_1 and n = n_1 + n_2,
    mean = mean_1 + d n_2 / n and scatter = scatter_1 + scatter_2 + d d^T n_1 n_2 / n,
    which stays exact where summed squares lose every digit (features of mean 10^4 and deviation 1).
    Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm", eq. 2.1.
    """

    def __init__(self, dimension: int, device: torch.device | str = "cpu") -> None:
        self.dimension = dimension
        self._count = 0
        self._mean = torch.zeros(dimension, dtype=torch.float64, device=device)
        self._scatter = torch.zeros(dimension, dimension, dtype=torch.float64, device=device)
        self._pending: list[Tensor] = []
        self._root: Tensor | None = None

    @classmethod
    def of(cls, features: Array) -> FeatureStatistics:
        """The statistics of features [N, D] that are all available, computed on their device.

        Raises EvaluationError as `update` does.
        """
        features = as_tensor(features, "features")
        if features.ndim != 2:
            raise EvaluationError(f"features must be [N, D], got {tuple(features.shape)}")
        device = features.device if features.device.type in ("cpu", "cuda") else "cpu"  # others have no float64
        statistics = cls(features.shape[1], device)
        for rows in torch.split(features, ROWS_PER_UPDATE):
            statistics.update(rows)
        return statistics

    @property
    def count(self) -> int:
        """The number of features so far."""
        self._absorb_pending()
        return self._count

    @property
    def mean(self) -> Tensor:
        """float64 [D]."""
        self._absorb_pending()
        return self._mean

    @property
    def scatter(self) -> Tensor:
        """Sum of (x - mean)(x - mean)^T, float64 [D, D]."""
        self._absorb_pending()
        return self._scatter

    @property
    def covariance(self) -> Tensor:
        """Scatter / (N - 1), float64 [D, D]. EvaluationError for fewer than two features, NaN or infinity."""
        if self.count < 2:
            raise EvaluationError(f"a covariance needs at least 2 features, got {self.count}")
        covariance = self.scatter / (self.count - 1)
        if not bool(torch.isfinite(covariance).all()):
            raise EvaluationError("a feature covariance contains NaN or infinity")
        return covariance

    @property
    def root(self) -> Tensor:
        """R [D, rank] with R R^T = covariance, float64; directions below rounding level are left out.

        Computed once: a reference is compared with many samples. Raises EvaluationError if it is no covariance.
        """
        covariance = self.covariance  # absorbs pending features, which resets the root
        if self._root is None:
            self._root = _root(covariance)
        return self._root

    def update(self, features: Array) -> None:
        """Add features [B, D] of any float type. Raises EvaluationError for other shapes, and for NaN or infinity."""
        features = as_tensor(features, "features")
        if features.ndim != 2 or features.shape[1] != self.dimension:
            raise EvaluationError(f"features must be [B, {self.dimension}], got {tuple(features.shape)}")
        if not len(features):  # a rank without images
            return
        self._pending.append(features.detach())
        if sum(len(part) for part in self._pending) >= ROWS_PER_UPDATE:
            self._absorb_pending()
        else:  # pending features must not change when the caller reuses the memory
            self._pending[-1] = self._pending[-1].clone()

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """The statistics of both streams together; neither is changed."""
        merged = FeatureStatistics(self.dimension, self._mean.device)
        for part in (self, other):
            merged._absorb(part.count, part.mean.to(self._mean), part.scatter.to(self._mean))
        return merged

    def to(self, device: torch.device | str) -> FeatureStatistics:
        """The same statistics on `device`; this object itself if they are there already."""
        if torch.device(device) == self._mean.device:
            return self
        return FeatureStatistics.from_tensors({name: t.to(device) for name, t in self.to_tensors().items()})

    def to_tensors(self) -> dict[str, Tensor]:
        """`count` int64 [], `mean` float64 [D], `scatter` float64 [D, D], for storage."""
        return {"count": torch.tensor(self.count), "mean": self.mean, "scatter": self.scatter}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> FeatureStatistics:
        """The inverse of `to_tensors`. Raises EvaluationError where tensors are missing or of another shape."""
        missing = {"count", "mean", "scatter"} - set(tensors)
        if missing:
            raise EvaluationError(f"stored feature statistics lack {', '.join(sorted(missing))}; build them again")
        mean, scatter = tensors["mean"], tensors["scatter"]
        if mean.ndim != 1 or tuple(scatter.shape) != (len(mean), len(mean)):
            raise EvaluationError(
                f"stored feature statistics disagree: mean {tuple(mean.shape)}, scatter {tuple(scatter.shape)}"
            )
        statistics = cls(len(mean), mean.device)
        statistics._absorb(int(tensors["count"]), mean.double(), scatter.double())
        return statistics

    def _absorb_pending(self) -> None:
        if not self._pending:
            return
        rows = torch.cat([part.to(self._mean) for part in self._pending])
        self._pending.clear()
        mean = rows.mean(0)
        centred = rows - mean
        self._absorb(len(rows), mean, centred.T @ centred)

    def _absorb(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if mean.shape != self._mean.shape:
            raise EvaluationError(f"cannot merge features of dimension {len(mean)} into those of {self.dimension}")
        if not bool(torch.isfinite(mean).all() & torch.isfinite(scatter).all()):
            raise EvaluationError("features contain NaN or infinity; the images or the extractor are damaged")
        if count == 0:
            return
        total = self._count + count
        difference = mean - self._mean
        self._mean = self._mean + difference * (count / total)
        self._scatter = self._scatter + scatter + torch.outer(difference, difference) * (self._count * count / total)
        self._count = total
        self._root = None


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    largest = values[-1].clamp_min(0)
    if bool(values[0] < -NOT_A_COVARIANCE * largest):
        raise EvaluationError(f"a feature covariance has the eigenvalue {float(values[0]):.3g} and is none")
    kept = values > largest * len(values) * torch.finfo(values.dtype).eps
    root: Tensor = vectors[:, kept] * values[kept].sqrt()
    return root
