"""Claims of a paper held against the numbers: which side was better, by how much, and whether seeds drown it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import lt
from typing import TYPE_CHECKING

from papergan.config.study import ContrastRecipe
from papergan.metrics.registry import METRICS, is_better
from papergan.reporting.pros_and_cons import HELD, REVERSED, UNDECIDED, UNENDED, UNKNOWN, verdict, with_deviation
from papergan.reporting.published_results import PublishedRow
from papergan.reporting.seed_groups import Measured
from papergan.studies.seed_groups import Group, parts_of
from papergan.studies.tables import OF_TRAINING, is_part, over

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finding:
    """One comparison. change: of the one side against the other, percent; published: likewise, from the paper.

    one, other: None where one of them came to no end with any seed.
    """

    claim: str
    of: Group
    against: Group
    metric: str
    label: str
    one: Measured | None
    other: Measured | None
    published: float | None

    @property
    def change(self) -> float | None:
        if self.one is None or self.other is None or not self.other.value:
            return None
        return 100 * (self.one.value - self.other.value) / self.other.value

    @property
    def verdict(self) -> str:
        """Whether the difference is beyond two standard deviations of it over seeds, and in which direction."""
        if self.one is None or self.other is None:
            return UNENDED
        better = partial(is_better, METRICS[self.metric]) if self.metric in METRICS else lt
        return verdict(self.one, self.other, better)


def findings_of(
    contrasts: Sequence[ContrastRecipe], groups: Sequence[Group], published: Sequence[PublishedRow]
) -> list[Finding]:
    """Every comparison that a claim is about, within one grid and data set, all else equal."""
    found = []
    for contrast in contrasts:
        for (grid, _), part in parts_of(groups).items():
            if contrast.grids is None or grid in contrast.grids:
                for one, other in _pairs(contrast, part):
                    found += list(_compared(contrast, one, other, published))
    return found


def _pairs(contrast: ContrastRecipe, part: Sequence[Group]) -> Iterator[tuple[Group, Group]]:
    for one in part:
        for other in part:
            sides = _differing(one, other)
            if len(sides) == 1 and sides[0][0] in contrast.of and sides[0][1] in contrast.against:
                yield one, other


def _differing(one: Group, other: Group) -> list[tuple[str, str]]:
    choices = [(one.experiment, other.experiment)]
    choices += [(one.levels[factor], other.levels[factor]) for factor in one.levels]
    return [pair for pair in choices if pair[0] != pair[1]]


def _compared(
    contrast: ContrastRecipe, one: Group, other: Group, published: Sequence[PublishedRow]
) -> Iterator[Finding]:
    if not (one.settled and other.settled):
        return
    for metric in contrast.metrics:
        if not (one.seeds.finished and other.seeds.finished):
            yield Finding(contrast.claim, one, other, metric, metric, None, None, None)
            continue
        if metric in OF_TRAINING:
            values = over(one.results, OF_TRAINING[metric]), over(other.results, OF_TRAINING[metric])
            if values[0] is not None and values[1] is not None:
                yield Finding(contrast.claim, one, other, metric, metric, values[0], values[1], None)
            continue
        theirs = {protocol.label(metric): value for protocol, value in other.measured(metric)}
        for protocol, mine in one.measured(metric):
            label = protocol.label(metric)
            if label in theirs and not is_part(protocol.metric_prefix):
                quoted = published if one.as_published and other.as_published else ()
                change = _published_change(metric, one.experiment, other.experiment, quoted)
                yield Finding(contrast.claim, one, other, metric, label, mine, theirs[label], change)


def _published_change(metric: str, one: str, other: str, published: Sequence[PublishedRow]) -> float | None:
    values = {name: row.value for row in published if row.metric == metric.split("_")[0] for name in row.experiments}
    return 100 * (values[one] - values[other]) / values[other] if one in values and other in values else None


def table_of(findings: Sequence[Finding]) -> pd.DataFrame:
    """A row per comparison; changes are in percent of the right-hand side, as papers give them."""
    import pandas as pd

    return pd.DataFrame(
        {
            "claim": finding.claim, "grid": finding.of.grid, "data set": finding.of.dataset,
            "of": finding.of.name, "against": finding.against.name, "metric": finding.label,
            "value": with_deviation(finding.one), "against it": with_deviation(finding.other),
            "change %": _percent(finding.change), "published change %": _percent(finding.published),
            "verdict": finding.verdict,
        }
        for finding in findings
    )  # fmt: skip


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def sentences(findings: Sequence[Finding]) -> list[str]:
    """For each claim one sentence: in how many comparisons it held, by which metric."""
    by_claim: dict[str, dict[str, Counter[str]]] = {}
    for finding in findings:
        by_claim.setdefault(finding.claim, {}).setdefault(finding.metric, Counter())[finding.verdict] += 1
    return [f"{claim}: {'; '.join(f'by {m} {counted(c)}' for m, c in of.items())}" for claim, of in by_claim.items()]


def counted(verdicts: Mapping[str, int]) -> str:
    """How often what came out, in words."""
    total = sum(verdicts.values())
    words = {
        HELD: "it holds",
        REVERSED: "it is reversed",
        UNDECIDED: "seeds drown it",
        UNKNOWN: "one seed tells nothing",
        UNENDED: UNENDED,
    }
    return ", ".join(f"{words[kind]} in {verdicts[kind]} of {total}" for kind in words if verdicts.get(kind))
