"""Groups of runs that differ only in their seed: means and standard deviations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot, sqrt
from statistics import fmean, stdev

from papergan.evaluation.protocol import Protocol
from papergan.evaluation.scorecard import BestScore, ScoreCard, protocols_of
from papergan.metrics.registry import METRICS, Metric, is_better, prefix_and_metric

BETWEEN_SETTINGS = re.compile(r", (?=\w+=)(?![^\[{(]*[\]})])")
"""The comma before "name=" in "widths=[64, 256], rate={'a': 1, 'b': 2}", where no bracket is open."""


@dataclass(frozen=True)
class Measured:
    """A value, and its standard deviation if known. runs: seeds behind both."""

    value: float
    deviation: float | None
    runs: int


@dataclass(frozen=True)
class SeedGroup:
    """All seeds of one recipe that were trained equally long and measured by the same rules.

    newest: the card that represents the group. finished: one card per seed, by seed. diverged: likewise, of runs
    that diverged.
    """

    newest: ScoreCard
    finished: tuple[ScoreCard, ...]
    diverged: tuple[ScoreCard, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """A key that no other group has."""
        return self.newest.experiment, self.newest.dataset, self.newest.variant, *kind_of_card(self.newest)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols of the final scores."""
        return tuple(protocols_of(self.newest.protocols, self.newest.final))

    def scores(self) -> Iterator[tuple[Protocol, Metric, Measured]]:
        """Every final metric by every extractor."""
        for protocol in self.protocols:
            for metric in METRICS.values():
                if (found := self.final(protocol.name_of(metric))) is not None:
                    yield protocol, metric, found

    def final(self, name: str) -> Measured | None:
        """A final metric over the seeds."""
        return measured(name, [card.final for card in self.finished])

    def best(self, which: str, name: str) -> Measured | None:
        """A metric at the best epoch of each seed. which: a criterion of `ScoreCard.best`."""
        return measured(name, [best.metrics for best in self.best_scores(which)])

    def best_scores(self, which: str) -> list[BestScore]:
        """The scores of each seed at its best epoch. which: as for `best`."""
        return [card.best[which] for card in self.finished if which in card.best]


def mean_over(values: Iterable[float | None]) -> Measured | None:
    """Mean and standard deviation (N - 1) of values over runs; None if no run has a value."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    return Measured(fmean(found), stdev(found) if len(found) > 1 else None, len(found))


def measured(name: str, rows: Sequence[Mapping[str, float]]) -> Measured | None:
    """The mean of a metric over runs, and its deviation: over runs (N - 1) if there are several.

    A single run has its own estimate: over splits for the Inception Score, over bootstrap resamples for
    FID and KID, else none.
    """
    values = [row[name] for row in rows if name in row]
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) > 1:
        return Measured(mean, sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)), len(values))
    found = prefix_and_metric(name)
    (row,) = (row for row in rows if name in row)
    deviation = row.get(f"{found[0]}{found[1].deviation}") if found and found[1].deviation else None
    return Measured(mean, deviation, 1)


def seed_groups(cards: Iterable[ScoreCard]) -> list[SeedGroup]:
    """Groups of cards that differ only in their seed, by experiment and data set, the newest group first.

    Every variant of the recipe, every budget and every set of rules is a group of its own, so that no run replaces
    another. A run that diverged belongs to the newest group of its variant, or forms one. cards: the oldest first; the
    newest card of a seed in a group counts.
    """
    age: dict[int, int] = {}
    by_variant: dict[tuple[str, str, str], list[ScoreCard]] = {}
    for card in cards:
        age[id(card)] = -len(age)
        by_variant.setdefault((card.experiment, card.dataset, card.variant), []).append(card)
    groups = [group for variant in by_variant.values() for group in _groups(variant)]
    return sorted(groups, key=lambda group: (group.newest.experiment, group.newest.dataset, age[id(group.newest)]))


def _groups(cards: Sequence[ScoreCard]) -> list[SeedGroup]:
    """The groups of one variant, the newest first."""
    failed = {card.seed: card for card in cards if card.diverged is not None}
    kinds: dict[tuple[object, ...], dict[int, ScoreCard]] = {}
    for card in cards:
        if card.diverged is None:
            kind = kinds.pop(kind_of_card(card), {})
            kinds[kind_of_card(card)] = {**kind, card.seed: card}  # the newest kind is the last one
            failed.pop(card.seed, None)
    diverged = tuple(failed[seed] for seed in sorted(failed))
    if not kinds:
        return [SeedGroup(list(failed.values())[-1], (), diverged)]
    groups: list[SeedGroup] = []
    for kind in reversed(kinds.values()):
        finished = tuple(kind[seed] for seed in sorted(kind))
        groups.append(SeedGroup(list(kind.values())[-1], finished, () if groups else diverged))
    return groups


def variants_of(groups: Sequence[SeedGroup]) -> list[str]:
    """How each group differs from the others of its experiment and data set; "" for a group without others.

    Settings, the budget, the rules; if none of these differs, the first digits of the recipe's digest, and if that
    does not either, the seeds: other extractors or counts measured them.
    """
    together: dict[tuple[str, str], list[SeedGroup]] = {}
    for group in groups:
        together.setdefault((group.newest.experiment, group.newest.dataset), []).append(group)
    return [_variant(group, together[group.newest.experiment, group.newest.dataset]) for group in groups]


def _variant(group: SeedGroup, siblings: Sequence[SeedGroup]) -> str:
    if len(siblings) == 1:
        return ""
    facts = [_facts(one.newest) for one in siblings]
    mine = _facts(group.newest)
    shared = {name for name, value in mine.items() if all(other.get(name) == value for other in facts)}
    differing = ", ".join(f"{name} {value}" for name, value in mine.items() if name not in shared)
    names = {name for other in facts for name in other}
    missing = ", ".join(f"{name} as the paper has it" for name in sorted(names - set(mine)))
    alike = [one for one, other in zip(siblings, facts, strict=True) if other == mine]
    recipe = f"recipe {group.newest.variant[:8]}" if len(alike) > 1 else ""
    same = sum(one.newest.variant == group.newest.variant for one in alike) > 1
    seeds = f"seeds {', '.join(str(card.seed) for card in (*group.finished, *group.diverged))}" if same else ""
    return ", ".join(filter(None, [differing, missing, recipe, seeds]))


def _facts(card: ScoreCard) -> dict[str, str]:
    """Settings that differ from the system's, the budget and the rules of a card, by name."""
    settings = [note.removeprefix("with ") for note in card.notes if note.startswith("with ")]
    pairs = (setting.partition("=") for line in settings for setting in BETWEEN_SETTINGS.split(line))
    facts = {name: value for name, _, value in pairs}
    facts |= {"epochs": f"{card.epochs:g}", "steps": str(card.steps)}
    for protocol in card.protocols:
        facts[f"samples of {protocol.source}"] = str(protocol.num_samples)
        facts["truncation"] = "none" if protocol.truncation is None else f"{protocol.truncation:g}"
        facts["weights"] = protocol.weights
        facts["reference"] = f"{protocol.reference_split} ({protocol.reference_count})"
    return facts


def kind_of_card(card: ScoreCard) -> tuple[object, ...]:
    """The budget of a card, and its rules without their seed, which must agree within a group."""
    rules = sorted(repr({**vars(protocol), "seed": None}) for protocol in card.protocols)
    return card.steps, card.epochs, *rules


SIGMAS = 2.0


def ranks(metric: Metric, values: Sequence[Measured]) -> list[str]:
    """The rank of each value: "2", or "1-3" if it is not separated from others; "" for none.

    i ranks behind j if j is better by more than 2 sqrt(d_i^2 + d_j^2), where d are their standard deviations. A rank is
    1 + the number of values it is behind, up to the last place that nothing separates it from. The deviation over seeds
    includes training; over splits or the choice of samples it includes sampling only, so such ranks are still generous.
    No ranks for fewer than two values, values without deviation, and metrics of which no value is best in itself.
    """
    if len(values) < 2 or metric.better == "real" or any(value.deviation is None for value in values):
        return ["" for _ in values]
    return [_rank(metric, values, place) for place in range(len(values))]


def _rank(metric: Metric, values: Sequence[Measured], place: int) -> str:
    mine = values[place]
    others = [other for index, other in enumerate(values) if index != place]
    first = 1 + sum(_ahead(metric, other, mine) for other in others)
    last = len(values) - sum(_ahead(metric, mine, other) for other in others)
    return str(first) if first == last else f"{first}-{last}"


def _ahead(metric: Metric, one: Measured, other: Measured) -> bool:
    noise = SIGMAS * hypot(one.deviation or 0.0, other.deviation or 0.0)
    apart = off_half(one).value - off_half(other).value if metric.better == "half" else one.value - other.value
    return is_better(metric, one.value, other.value) and abs(apart) > noise


def off_half(measured: Measured) -> Measured:
    """The distance of a value from 0.5, for metrics that are best there; smaller is better."""
    return replace(measured, value=abs(measured.value - 0.5))
