"""What trials of games without images have in common, and what their results have: points, channels, sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor

from papergan.training.history import Row


class NamedTrial(Protocol):
    """A training from one seed. name: without the seed; trials of one name differ by their seed alone.

    grid: the table that it belongs to. key: a digest of all that decides its result.
    """

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def grid(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def experiment(self) -> str:
        """The system, or the study."""
        ...

    @property
    def levels(self) -> Mapping[str, str]:
        """What it differs in from others of its table, by the name of the factor."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of its MLflow run."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Parameters of its MLflow run."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialRecord:
    """The result of such a trial, plain values that are kept as JSON.

    over_time: step and measurements. losses: step, terms. diverged: the reason, or None. provenance: hardware,
    versions, commit.
    """

    what: ClassVar[str]

    over_time: list[Row] = field(default_factory=list)
    losses: list[Row] = field(default_factory=list)
    seconds_per_step: float = 0.0
    diverged: str | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    def value(self, metric: str) -> float | None:
        """A measurement by name, the last one; None where it has none of this name."""
        return self.over_time[-1].get(metric)


@dataclass(frozen=True, eq=False, kw_only=True)
class TensorRecord(TrialRecord):
    """A result with scores at the end and with tensors, which are kept beside it. digest: of them, once kept."""

    scores: Row = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    digest: str = ""

    def value(self, metric: str) -> float | None:
        """A score by name; None where it has none of this name."""
        return self.scores.get(metric)
