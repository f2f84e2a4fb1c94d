"""Groups of runs that differ by their seed alone: means and standard deviations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from papergan.evaluation.protocol import Protocol
from papergan.evaluation.scorecard import BestScore, ScoreCard, protocols_of
from papergan.metrics.registry import prefix_and_metric


@dataclass(frozen=True)
class Measured:
    """A value, and its standard deviation where one is known. runs: seeds behind both."""

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
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols of the final scores."""
        return tuple(protocols_of(self.newest.protocols, self.newest.final))

    def final(self, name: str) -> Measured | None:
        """A final metric over the seeds."""
        return measured(name, [card.final for card in self.finished])

    def best(self, which: str, name: str) -> Measured | None:
        """A metric at its best epoch, each seed's own. which: "fid" or "is"."""
        return measured(name, [best.metrics for best in self.best_scores(which)])

    def best_scores(self, which: str) -> list[BestScore]:
        """The scores of each seed at its best epoch. which: as for `best`."""
        return [card.best[which] for card in self.finished if which in card.best]


def mean_over(values: Iterable[float | None]) -> Measured | None:
    """Mean and standard deviation (N - 1) of values over runs; None where no run has a value."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    return Measured(fmean(found), stdev(found) if len(found) > 1 else None, len(found))


def measured(name: str, rows: Sequence[Mapping[str, float]]) -> Measured | None:
    """The mean of a metric over runs, and its deviation: over runs (N - 1) where there are several.

    For one run its own estimate: over splits for the Inception Score, over bootstrap resamples for
    FID and KID, else none.
    """
    values = [row[name] for row in rows if name in row]
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) > 1:
        return Measured(mean, sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)), len(values))
    found = prefix_and_metric(name)
    deviation = rows[0].get(f"{found[0]}{found[1].deviation}") if found and found[1].deviation else None
    return Measured(mean, deviation, 1)


def seed_groups(cards: Iterable[ScoreCard]) -> list[SeedGroup]:
    """One group for every experiment and data set: that of its newest card. cards: the oldest first.

    Older cards of another variant of the recipe, of another budget, or under other rules do not belong to it.
    """
    by_run: dict[tuple[str, str], list[ScoreCard]] = {}
    for card in cards:
        by_run.setdefault((card.experiment, card.dataset), []).append(card)
    return [_group(by_run[key]) for key in sorted(by_run)]


def _group(cards: Sequence[ScoreCard]) -> SeedGroup:
    by_seed = {card.seed: card for card in cards if card.variant == cards[-1].variant}  # the newest of each
    mine = [card for card in cards if by_seed.get(card.seed) is card]
    done = [card for card in mine if card.diverged is None]
    finished = [card for card in done if _kind(card) == _kind(done[-1])]
    diverged = [card for card in mine if card.diverged is not None]
    newest = finished[-1] if finished else diverged[-1]
    order = sorted(finished, key=lambda card: card.seed), sorted(diverged, key=lambda card: card.seed)
    return SeedGroup(newest, tuple(order[0]), tuple(order[1]))


def _kind(card: ScoreCard) -> tuple[object, ...]:
    """The budget, and the rules without their seed, which must agree within a group."""
    rules = sorted(repr({**vars(protocol), "seed": None}) for protocol in card.protocols)
    return card.steps, card.epochs, *rules
