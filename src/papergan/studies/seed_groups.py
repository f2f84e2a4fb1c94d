"""Cells that differ by their seed alone, taken together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from papergan.config.study import Cell, CellResult
from papergan.datasets.trial_results import CellStore
from papergan.evaluation.protocol import Protocol
from papergan.metrics.registry import METRICS
from papergan.reporting.seed_groups import Measured, SeedGroup


@dataclass(frozen=True, eq=False)
class Group:
    """One row of a study's table. results: of the cells that are done, by seed; missing: seeds that are not."""

    grid: str
    experiment: str
    levels: Mapping[str, str]
    as_published: bool
    results: tuple[CellResult, ...]
    missing: tuple[int, ...]

    @property
    def name(self) -> str:
        return "/".join([self.experiment, *self.levels.values()])

    @property
    def dataset(self) -> str:
        """As the image set names itself; "" where nothing is done."""
        return self.results[0].card.dataset if self.results else ""

    @cached_property
    def seeds(self) -> SeedGroup:
        """Raises ValueError where nothing is done."""
        cards = [result.card for result in self.results]
        if not cards:
            raise ValueError(f"{self.name}: no cell of it is done")
        finished = tuple(card for card in cards if card.diverged is None)
        diverged = tuple(card for card in cards if card.diverged is not None)
        return SeedGroup((finished or diverged)[-1], finished, diverged)

    @property
    def settled(self) -> bool:
        """Whether a seed came to an end, or none can any more."""
        return bool(self.seeds.finished) or not self.missing

    def measured(self, metric: str) -> Iterator[tuple[Protocol, Measured]]:
        """A metric by each extractor; one that needs none once. metric: without a prefix."""
        of_features = METRICS[metric].of_features
        for protocol in self.seeds.protocols[: None if of_features else 1]:
            found = self.seeds.final(f"{protocol.metric_prefix if of_features else ''}{metric}")
            if found is not None:
                yield protocol, found


def groups_of(cells: Sequence[Cell], store: CellStore) -> list[Group]:
    """In the order of the cells, by grid and name. A cell of two grids is in both."""
    results = {cell.key: store.find(cell.key) for cell in cells}
    together: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        together.setdefault((cell.grid, cell.name), []).append(cell)
    groups = []
    for (grid, _), members in together.items():
        members.sort(key=lambda cell: cell.recipe.seed)
        found = [(cell, results[cell.key]) for cell in members]
        groups.append(
            Group(
                grid, members[0].experiment, members[0].levels, members[0].as_published,
                tuple(result for _, result in found if result is not None),
                tuple(cell.recipe.seed for cell, result in found if result is None),
            )
        )  # fmt: skip
    return groups


def parts_of(groups: Sequence[Group]) -> dict[tuple[str, str], list[Group]]:
    """What may stand in one table: groups of one grid and one data set, those of which something is done."""
    parts: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        if group.results:
            parts.setdefault((group.grid, group.dataset), []).append(group)
    return parts
