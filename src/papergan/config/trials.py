"""Common parts of studies' trials, and results of trials without images: points, channels, sounds, vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from papergan.validation import StrictModel, flattened, short_digest

if TYPE_CHECKING:  # code that only hands out trials does not import torch
    from torch import Tensor

    from papergan.training.history import Row


class Trial(Protocol):
    """One training of a study. name: without the seed; trials of one name differ only in their seed.

    key: a digest of everything that determines its result; trials with the same key are run once.
    """

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def key(self) -> str: ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of its MLflow run."""
        ...

    @property
    def parameters(self) -> Mapping[str, object]:
        """Parameters of its MLflow run."""
        ...


class GroupedTrial(Trial, Protocol):
    """A trial that shares a row of a table with those of other seeds. grid: the table that it belongs to."""

    @property
    def grid(self) -> str: ...

    @property
    def experiment(self) -> str:
        """The system, or the study."""
        ...

    @property
    def levels(self) -> Mapping[str, str]:
        """The level of each factor in which it differs from others of its table, by the factor's name."""
        ...


R = TypeVar("R", bound=StrictModel)


@dataclass(frozen=True)
class SystemTrial(ABC, Generic[R]):
    """One of the `systems` of a study's recipe, trained from one seed; a `GroupedTrial`.

    place: the name of the system in the recipe. data: the digest of the training data, once it is known. decides: the
    fields of the recipe that determine the result besides the system's own settings.
    """

    experiment: ClassVar[str]
    decides: ClassVar[frozenset[str]]

    place: str
    seed: int
    recipe: R
    data: str = ""

    @property
    @abstractmethod
    def settings(self) -> StrictModel:
        """The system's entry in the recipe, which has a field `system`."""

    @property
    @abstractmethod
    def grid(self) -> str:
        """The table that it belongs to."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """The number of training steps."""

    @property
    def name(self) -> str:
        """The name that trials share if they differ only in their seed."""
        return self.place

    @property
    def levels(self) -> dict[str, str]:
        return {"system": self.place}

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its MLflow run."""
        return {"system": str(self._dumped["system"])}

    @property
    def parameters(self) -> dict[str, object]:
        """Parameters of its MLflow run."""
        return {**dict(flattened("", self.settings.model_dump())), "seed": self.seed}

    @cached_property
    def key(self) -> str:
        """A digest, 12 hexadecimal digits, of the data and of all settings that determine the result."""
        about = self.recipe.model_dump(mode="json", include=set(self.decides))
        return short_digest({**about, "settings": self._dumped, "seed": self.seed, "data": self.data})

    @property
    def _dumped(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialRecord:
    """The result of a trial without images: plain values that are stored as JSON.

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
        """The last measurement of this name; None where there is none."""
        return self.over_time[-1].get(metric)


@dataclass(frozen=True, eq=False, kw_only=True)
class TensorRecord(TrialRecord):
    """A result with final scores, and with tensors that are stored next to it. digest: theirs, once stored."""

    scores: Row = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    digest: str = ""

    def value(self, metric: str) -> float | None:
        """The score of this name; None where there is none."""
        return self.scores.get(metric)
