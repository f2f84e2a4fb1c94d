"""Groups of trials that differ only in their seed: the rows of a study's tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from papergan.config.study import ExperimentTrial, TrialResult
from papergan.config.trials import GroupedTrial, TrialRecord
from papergan.evaluation.protocol import Protocol
from papergan.metrics.registry import METRICS
from papergan.reporting.column_headers import column_headers
from papergan.reporting.published_results import PublishedRow
from papergan.reporting.seed_groups import Measured, SeedGroup, kind_of_card, mean_over
from papergan.studies.measures import OF_TRAINING, is_intermediate_layer
from papergan.studies.runner import ResultStore

OF_IMAGES = ("reference_name", "reference_digest", "reference_count", "held_out_digest", "held_out_count")
"""Rules that name real images: subsets of one data set, which a factor chooses, share a table and its columns."""
T = TypeVar("T", bound=GroupedTrial)
R = TypeVar("R", bound=TrialResult | TrialRecord)
N = TypeVar("N", bound=TrialRecord)
G = TypeVar("G", bound="TrialGroup")  # type: ignore[type-arg]


@dataclass(frozen=True, eq=False)
class TrialGroup(ABC, Generic[T, R]):
    """A row of a table. trial: the first of the group. done: finished trials by seed. missing: unfinished seeds.

    failed: missing seeds that were tried, with the reason.
    """

    trial: T
    done: tuple[tuple[int, R], ...]
    missing: tuple[int, ...]
    failed: tuple[tuple[int, str], ...] = ()

    @property
    def results(self) -> tuple[R, ...]:
        return tuple(result for _, result in self.done)

    @property
    def name(self) -> str:
        return self.trial.name

    @property
    def grid(self) -> str:
        """The table that this group is a row of."""
        return self.trial.grid

    @property
    def unfinished(self) -> list[str]:
        """A text for each failed seed, and one for those that are not done."""
        tried: dict[int, str] = dict(self.failed)
        texts: list[str] = [f"seed {seed} {why}" for seed, why in tried.items()]
        rest = [str(seed) for seed in self.missing if seed not in tried]
        return [*texts, f"not done yet: seeds {', '.join(rest)}"] if rest else texts

    @property
    def flags(self) -> str:
        """Why seeds have no final scores: they diverged or were pruned, each with its reason, or are unfinished."""
        early = [f"seed {seed}: {why}" for seed, result in self.done if (why := ended_early(result)) is not None]
        return "; ".join([*early, *self.unfinished])

    @property
    @abstractmethod
    def dataset(self) -> str:
        """The data set; "" if no trial is finished."""

    @property
    def choices(self) -> dict[str, str]:
        """The experiment or system, and the level of each factor."""
        return {"experiment": self.trial.experiment, **self.trial.levels}

    @property
    def level(self) -> str | None:
        """The level if one factor varies; None if several do."""
        return next(iter(self.trial.levels.values())) if len(self.trial.levels) == 1 else None

    @property
    def first_ended(self) -> tuple[int, R] | None:
        """The first seed that finished without diverging, and its result; None if none did."""
        return next(((seed, result) for seed, result in self.done if ended_early(result) is None), None)

    @property
    def ended(self) -> bool:
        """Whether a seed finished without diverging."""
        return self.first_ended is not None

    @property
    def settled(self) -> bool:
        """Whether a seed finished without diverging, or all seeds have run."""
        return self.ended or not self.missing

    def over(self, measure: Callable[[R], float | None]) -> Measured | None:
        """Mean and deviation (N - 1) of a measure over the seeds that finished without diverging; None for none.

        Seeds that diverged are left out: their short histories would look stable.
        """
        return mean_over(measure(result) for result in self.results if ended_early(result) is None)

    @abstractmethod
    def measured(self, metric: str, among: Sequence[Any] = ()) -> Iterator[tuple[str, Measured]]:
        """A metric under each of its labels here: with its protocol, by each extractor.

        among: groups that it is compared with; a label that has other rules in one of them says which these are.
        """


class ExperimentGroup(TrialGroup[ExperimentTrial, TrialResult]):
    """Trainings of one recipe over seeds."""

    @property
    def dataset(self) -> str:
        return self.results[0].card.dataset if self.results else ""

    @cached_property
    def seeds(self) -> SeedGroup:
        """The score cards over seeds. Raises ValueError if no trial is finished."""
        cards = [result.card for result in self.results]
        if not cards:
            raise ValueError(f"{self.name}: no trial of it is finished")
        finished = tuple(card for card in cards if card.ended_early is None)
        failed = tuple(card for card in cards if card.ended_early is not None)
        alike = tuple(card for card in finished if kind_of_card(card) == kind_of_card(finished[-1]))
        return SeedGroup((finished or failed)[-1], alike, failed)

    @property
    def flags(self) -> str:
        """As for any group, and seeds left out because they were scored by other rules than the last one."""
        counted = {card.seed for card in self.seeds.finished} if self.results else set()
        others = [str(seed) for seed, one in self.done if ended_early(one) is None and seed not in counted]
        rules = f"scored by other rules or networks, not counted: seeds {', '.join(others)}" if others else ""
        return "; ".join(filter(None, [super().flags, rules]))

    def named_by(self, published: Sequence[PublishedRow]) -> list[PublishedRow]:
        """The published numbers that name its experiment; none if a level changes that."""
        return [row for row in published if self.trial.as_published and self.trial.experiment in row.experiments]

    def attempts_at(self, published: Sequence[PublishedRow]) -> list[PublishedRow]:
        """The published numbers that it is an attempt at: those that name it, on the paper's data set."""
        return [row for row in self.named_by(published) if row.is_of(self.trial.recipe.dataset_name)]

    def scored(self, metric: str) -> Iterator[tuple[Protocol, Measured]]:
        """A metric by each extractor, once if it needs none; for each translation direction. metric: without prefix."""
        by_name: dict[str, Protocol] = {}
        for protocol in self.seeds.protocols:
            by_name.setdefault(protocol.name_of(METRICS[metric]), protocol)
        for name, protocol in by_name.items():
            if (found := self.seeds.final(name)) is not None:
                yield protocol, found

    def measured(self, metric: str, among: Sequence[Any] = ()) -> Iterator[tuple[str, Measured]]:
        if metric in OF_TRAINING:
            value = self.over(OF_TRAINING[metric])
            yield from [(metric, value)] if value is not None else []
            return
        headers = column_headers([one for group in (self, *among) for one in group.seeds.protocols], OF_IMAGES)
        for protocol, found in self.scored(metric):
            if not is_intermediate_layer(protocol.metric_prefix):
                yield headers[protocol.comparability_digest(METRICS[metric]), metric], found


class NamedGroup(TrialGroup[T, N]):
    """Trainings without images over seeds."""

    @property
    def dataset(self) -> str:
        return self.trial.grid if self.results else ""

    def measured(self, metric: str, among: Sequence[Any] = ()) -> Iterator[tuple[str, Measured]]:
        value = self.over(lambda result: result.value(metric))
        yield from [(metric, value)] if value is not None else []


def diverged_levels(groups: Iterable[TrialGroup[Any, Any]]) -> frozenset[str]:
    """The levels of which every seed has run and none came to an end, of grids with one factor."""
    return frozenset(group.level for group in groups if group.level and group.settled and not group.ended)


def ended_early(result: TrialResult | TrialRecord) -> str | None:
    """Why a trial has no final scores: it diverged, or was pruned; None if it has."""
    return result.card.ended_early if isinstance(result, TrialResult) else result.diverged


def grouped(
    kind: Callable[..., G], trials: Sequence[T], store: ResultStore[R], failed: Mapping[str, str] = MappingProxyType({})
) -> list[G]:
    """Group trials by grid and name, in their order. A trial of two grids is in both. failed: why, by key."""
    results = {trial.key: store.find(trial.key) for trial in trials}
    together: dict[tuple[str, str], list[T]] = {}
    for trial in trials:
        together.setdefault((trial.grid, trial.name), []).append(trial)
    groups = []
    for members in together.values():
        found = [(trial.seed, results[trial.key]) for trial in sorted(members, key=lambda trial: trial.seed)]
        done = tuple((seed, result) for seed, result in found if result is not None)
        missing = [trial for trial in members if results[trial.key] is None]
        reasons = tuple((trial.seed, failed[trial.key]) for trial in missing if trial.key in failed)
        groups.append(kind(members[0], done, tuple(seed for seed, result in found if result is None), reasons))
    return groups


def groups_by_table(groups: Sequence[G]) -> dict[tuple[str, str], list[G]]:
    """Groups with results by grid and data set, which share a table.

    If a factor chooses which images of a data set an experiment is trained on, all subsets share one table:
    "mnist/train[:100]" and "mnist/train[:1000]" are in the table of "mnist/train".
    """
    done = [group for group in groups if group.results]
    of_experiment: dict[tuple[str, str], set[str]] = {}
    for group in done:
        of_experiment.setdefault((group.grid, group.choices["experiment"]), set()).add(group.dataset)
    parts: dict[tuple[str, str], list[G]] = {}
    for group in done:
        varied = len(of_experiment[group.grid, group.choices["experiment"]]) > 1
        dataset = group.dataset.partition("[")[0] if varied else group.dataset
        parts.setdefault((group.grid, dataset), []).append(group)
    return parts
