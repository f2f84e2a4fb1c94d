"""Sets of vectors with column names and digest, and their normalisation, a change of scale per column."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import torch
from torch import Tensor

from papergan.errors import DataError

Kind = Literal["standard", "range"]
MARGIN: Final = 1.25  # the largest training value is mapped to 1 / MARGIN, so that tanh reaches beyond it


@dataclass(frozen=True, eq=False)
class VectorSet:
    """Rows of numbers. Two sets are the same if their digests are equal; `==` is `is`.

    name: what they are, for every log and table, for example "swiss_roll/train". values: float64 [N, D], finite.
    columns: D names. Raises DataError for other shapes or dtypes.
    """

    name: str
    values: Tensor
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if self.values.dtype != torch.float64 or len(shape) != 2 or shape[1] != len(self.columns) or not self.columns:
            raise DataError(
                f"{self.name}: vectors must be float64 [N, D], of D >= 1 columns with names, got {self.values.dtype} "
                f"{shape} and {len(self.columns)} names"
            )
        if not bool(self.values.isfinite().all()):
            raise DataError(f"{self.name}: vectors must be finite")

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shape, column names and values (not over `name`)."""
        digest = hashlib.sha256(f"{tuple(self.values.shape)}|{self.columns}".encode())
        digest.update(self.values.contiguous().cpu().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class VectorSplits:
    """Vectors as a study sees them; test is never trained on. Raises DataError if their columns differ."""

    train: VectorSet
    test: VectorSet

    def __post_init__(self) -> None:
        if self.train.columns != self.test.columns:
            raise DataError(f"{self.train.name} and {self.test.name} must have the same columns")

    @property
    def digest(self) -> str:
        """SHA-256 over both splits."""
        return hashlib.sha256(f"{self.train.digest}|{self.test.digest}".encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Normalisation:
    """x -> (x - centre) / scale for each column. centre, scale: float64 [D], scale above 0."""

    centre: Tensor
    scale: Tensor

    @classmethod
    def of(cls, train: VectorSet, kind: Kind) -> Normalisation:
        """From training rows. standard: to mean 0 and deviation 1. range: to -0.8..0.8, for outputs in (-1, 1).

        Raises DataError for a column that is the same in every row.
        """
        low, high = train.values.amin(0), train.values.amax(0)
        if bool((low == high).any()):
            name = train.columns[int((low == high).nonzero()[0])]
            raise DataError(f"{train.name}: column {name!r} is the same in every row; leave it out of `columns`")
        if kind == "range":
            return cls((low + high) / 2, MARGIN * (high - low) / 2)
        return cls(train.values.mean(0), train.values.std(0, correction=0))

    @classmethod
    def stored(cls, config: dict[str, Any]) -> Normalisation:
        """The normalisation that `config` described."""
        return cls(*(torch.tensor(config[name], dtype=torch.float64) for name in ("centre", "scale")))

    @property
    def config(self) -> dict[str, list[float]]:
        """The normalisation as JSON."""
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist()}

    def apply(self, values: Tensor) -> Tensor:
        """float64 [N, D] as in the table -> float32 [N, D] for networks."""
        return ((values - self.centre) / self.scale).float()

    def invert(self, normalised: Tensor) -> Tensor:
        """Outputs of networks, [N, D] -> float64 [N, D] as in the table."""
        return normalised.double() * self.scale + self.centre
