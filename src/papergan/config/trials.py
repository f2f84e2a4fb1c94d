"""What trials of studies have in common, and results of those without images: points, channels, sounds, vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from papergan.validation import StrictModel, flattened, short_digest

if TYPE_CHECKING:  # what hands out trials does not wait for torch
    from torch import Tensor

    from papergan.training.history import Row


class Trial(Protocol):
    """One training of a study. name: without the seed; trials of one name differ by their seed alone.

    key: a digest of all that decides its result; trials that agree in it are run once.
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
    """A trial that is a row of a table, together with those of other seeds. grid: the table that it belongs to."""

    @property
    def grid(self) -> str: ...

    @property
    def experiment(self) -> str:
        """The system, or the study."""
        ...

    @property
    def levels(self) -> Mapping[str, str]:
        """What it differs in from others of its table, by the name of the factor."""
        ...


R = TypeVar("R", bound=StrictModel)


@dataclass(frozen=True)
class SystemTrial(ABC, Generic[R]):
    """One of the `systems` of a study's recipe, trained from one seed; a `GroupedTrial`.

    place: the name of the system in the recipe. data: the digest of what it is trained on, once that is known. decides:
    the fields of the recipe that decide the result beside the system's own settings.
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
        """Its entry of the recipe, which has a field `system`."""

    @property
    @abstractmethod
    def grid(self) -> str:
        """The table that it belongs to."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """All training steps."""

    @property
    def name(self) -> str:
        """Trials that differ by their seed alone share it."""
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
        """A digest, 12 hexadecimal digits, of the data, and of all settings that determine the result beside them."""
        about = self.recipe.model_dump(mode="json", include=set(self.decides))
        return short_digest({**about, "settings": self._dumped, "seed": self.seed, "data": self.data})

    @property
    def _dumped(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")


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
