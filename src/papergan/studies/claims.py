"""Claims of papers compared with measurements: the change, and the verdict over seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import gt, lt
from typing import TYPE_CHECKING, Any

from papergan.config.study import HIGHER_IS_BETTER, ClaimRecipe
from papergan.metrics.registry import METRICS, is_best_at_half
from papergan.reporting.pros_and_cons import (
    ALL_DIVERGED,
    HELD,
    NOT_SIGNIFICANT,
    REVERSED,
    UNKNOWN,
    verdict,
    verdict_by,
    with_deviation,
)
from papergan.reporting.published_results import PublishedRow
from papergan.reporting.seed_groups import Measured
from papergan.studies.seed_groups import ExperimentGroup, TrialGroup, groups_by_table

if TYPE_CHECKING:
    import pandas as pd

AnyGroup = TrialGroup[Any, Any]
PUBLISHED = {"fid": "fid", "is_mean": "is"}  # metrics with published changes, and their names in published rows


@dataclass(frozen=True)
class ClaimResult:
    """One comparison of a claim. treatment: the side claimed to be better; baseline: the other side.

    one, other: their values, None if one of them diverged with every seed. published: change in the paper, %.
    """

    claim: str
    treatment: AnyGroup
    baseline: AnyGroup
    metric: str
    label: str
    one: Measured | None
    other: Measured | None
    published: float | None = None

    @property
    def change(self) -> float | None:
        """Change of the treatment in percent of the baseline's size: negative if it is lower, whatever the sign."""
        if self.one is None or self.other is None or not self.other.value:
            return None
        return 100 * (self.one.value - self.other.value) / abs(self.other.value)

    @property
    def verdict(self) -> str:
        """Whether the difference exceeds chance, and in which direction; see `verdict`."""
        if self.one is None or self.other is None:
            return ALL_DIVERGED
        if self.metric in METRICS or is_best_at_half(self.metric):
            return verdict_by(self.metric, self.one, self.other)
        return verdict(self.one, self.other, gt if self.metric in HIGHER_IS_BETTER else lt)


def claim_results(
    claims: Sequence[ClaimRecipe], groups: Sequence[AnyGroup], published: Sequence[PublishedRow] = ()
) -> list[ClaimResult]:
    """All comparisons of the claims, within one grid and data set, all else equal."""
    found = []
    for claim in claims:
        for (grid, _), part in groups_by_table(groups).items():
            if claim.grids is None or grid in claim.grids:
                for one, other in _pairs(claim, part) if claim.than is None else _themselves(claim, part):
                    found += list(_compared(claim, one, other, published))
    return found


def _themselves(claim: ClaimRecipe, part: Sequence[AnyGroup]) -> Iterator[tuple[AnyGroup, AnyGroup]]:
    """The treatments of a claim that compares two metrics, each paired with itself."""
    return ((one, one) for one in part if not set(claim.treatment).isdisjoint(one.choices.values()))


def _pairs(claim: ClaimRecipe, part: Sequence[AnyGroup]) -> Iterator[tuple[AnyGroup, AnyGroup]]:
    for one in part:
        for other in part:
            sides = _differing(one, other)
            if len(sides) == 1 and sides[0][0] in claim.treatment and sides[0][1] in claim.baseline:
                yield one, other


def _differing(one: AnyGroup, other: AnyGroup) -> list[tuple[str, str]]:
    return [(mine, other.choices[what]) for what, mine in one.choices.items() if mine != other.choices[what]]


def _compared(
    claim: ClaimRecipe, one: AnyGroup, other: AnyGroup, published: Sequence[PublishedRow]
) -> Iterator[ClaimResult]:
    if not (one.settled and other.settled):
        return
    for metric in claim.metrics:
        if not (one.ended and other.ended):
            yield ClaimResult(claim.claim, one, other, metric, metric, None, None)
            continue
        if claim.than is not None:  # by the same extractors, in the same order
            both = zip(one.measured(metric), other.measured(claim.than), strict=False)  # one may be left out
            for (label, mine), (of_other, its) in both:
                yield ClaimResult(claim.claim, one, other, metric, f"{label} than {of_other}", mine, its)
            continue
        change, theirs = _published_change(metric, one, other, published), dict(other.measured(metric, [one]))
        for label, mine in one.measured(metric, [other]):
            if label in theirs:
                yield ClaimResult(claim.claim, one, other, metric, label, mine, theirs[label], change)


def _published_change(metric: str, one: AnyGroup, other: AnyGroup, published: Sequence[PublishedRow]) -> float | None:
    """The published change in percent; None if the paper has no such numbers, or a side or its data differ from it.

    None for metrics that are not in PUBLISHED, too: papers give the others for several data sets.
    """
    before, after = (_published_value(metric, group, published) for group in (other, one))
    return 100 * (after - before) / before if before is not None and after is not None else None


def _published_value(metric: str, group: AnyGroup, published: Sequence[PublishedRow]) -> float | None:
    rows = group.attempts_at(published) if isinstance(group, ExperimentGroup) else []
    return next((row.value for row in reversed(rows) if row.metric == PUBLISHED.get(metric)), None)


def claim_table(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """A row per comparison; seeds of either side; changes are in percent of the baseline, as papers give them."""
    import pandas as pd

    return pd.DataFrame(
        {
            "claim": result.claim, "grid": result.treatment.grid, "data set": result.treatment.dataset,
            "treatment": result.treatment.name, "baseline": result.baseline.name, "metric": result.label,
            "value": with_deviation(result.one), "of the baseline": with_deviation(result.other),
            "seeds": f"{_seeds(result.one, result.treatment)}, {_seeds(result.other, result.baseline)}",
            "change %": _percent(result.change), "published change %": _percent(result.published),
            "verdict": result.verdict,
        }
        for result in results
    )  # fmt: skip


def _seeds(value: Measured | None, group: AnyGroup) -> str:
    """The number of seeds behind a value: "3", or "2 of 3" if others diverged or are not done."""
    behind, planned = 0 if value is None else value.runs, len(group.done) + len(group.missing)
    return str(behind) if behind == planned else f"{behind} of {planned}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{round(value, 2) + 0.0:+.2f}"  # no -0.00


def claim_sentences(results: Sequence[ClaimResult]) -> list[str]:
    """One sentence per claim: in how many comparisons it held, by metric."""
    by_claim: dict[str, dict[str, Counter[str]]] = {}
    for result in results:
        by_claim.setdefault(result.claim, {}).setdefault(result.metric, Counter())[result.verdict] += 1
    return [
        f"{claim}: {'; '.join(f'by {metric} {verdict_counts(counts)}' for metric, counts in by_metric.items())}"
        for claim, by_metric in by_claim.items()
    ]


def verdict_counts(verdicts: Mapping[str, int]) -> str:
    """How often each verdict occurred, as text."""
    total = sum(verdicts.values())
    phrases = {
        HELD: "it holds",
        REVERSED: "it is reversed",
        NOT_SIGNIFICANT: "it is not significant",
        UNKNOWN: "one seed tells nothing",
        ALL_DIVERGED: ALL_DIVERGED,
    }
    return ", ".join(f"{phrases[kind]} in {verdicts[kind]} of {total}" for kind in phrases if verdicts.get(kind))
