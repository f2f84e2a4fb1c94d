"""Pros and cons of losses as stated in papers, validated, and compared with measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from math import hypot
from operator import gt, lt
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, ValidationError

from papergan.errors import EvaluationError
from papergan.metrics.registry import METRICS, is_best_at_half, is_better
from papergan.reporting.pages import plus_minus
from papergan.reporting.seed_groups import SIGMAS, Measured, off_half
from papergan.validation import Positive, StrictModel, validation_errors

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT = 0.05  # p of a t-test
HELD, REVERSED, NOT_SIGNIFICANT, UNKNOWN = "holds", "reversed", "not significant", "one seed: unknown"
ALL_DIVERGED = "a side diverged with every seed"
Property = Literal["collapse", "stability", "cost", "quality"]
Levels = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]


class Statement(StrictModel):
    """One line of a table of pros and cons. property: what is measured; None = not measured here.

    A pro holds if `loss` is better in this property than a level of `baseline`, a con if it is worse.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"against": "baseline"}

    table: Positive
    loss: Levels
    side: Literal["pro", "con"]
    statement: str
    property: Property | None = None
    baseline: Annotated[tuple[str, ...], Field(strict=False)] = ()
    note: str = ""


class Measure(NamedTuple):
    """One measure of a property: its values by level, and which direction is better. label: its name in tables.

    diverged: levels without a value, since every seed diverged.
    """

    label: str
    higher_is_better: bool
    values: Mapping[str, Measured]
    diverged: Set[str] = frozenset()


def read_statements(given: Mapping[str, Any], paper: str) -> list[Statement]:
    """The statements of a paper, by its key; [] for none. Raises EvaluationError naming the error and its place."""
    found = []
    for place, entry in enumerate(given.get(paper, ())):
        try:
            found.append(Statement.model_validate(entry))
        except ValidationError as error:
            raise EvaluationError("; ".join(validation_errors(f"pros_and_cons.{paper}.{place}", error))) from None
    return found


def verdict(one: Measured, other: Measured, is_better: Callable[[float, float], bool]) -> str:
    """Whether `one` is better by more than chance, worse by more than chance, or neither.

    More than chance: the difference exceeds two of its standard deviations, over seeds, and is significant in Welch's
    t-test at 5 %, which is stricter if there are only two seeds.
    """
    if min(one.runs, other.runs) < 2 or one.deviation is None or other.deviation is None:
        return UNKNOWN
    if abs(one.value - other.value) <= SIGMAS * hypot(one.deviation, other.deviation) or _alike(one, other):
        return NOT_SIGNIFICANT
    return HELD if is_better(one.value, other.value) else REVERSED


def _alike(one: Measured, other: Measured) -> bool:
    """Whether Welch's t-test finds no difference in means at 5 %; values without any deviation count as different."""
    from scipy.stats import ttest_ind_from_stats  # type: ignore[import-untyped]

    if not one.deviation and not other.deviation:
        return False
    statistics = (one.value, one.deviation, one.runs, other.value, other.deviation, other.runs)
    return bool(ttest_ind_from_stats(*statistics, equal_var=False).pvalue > SIGNIFICANT)


def verdict_by(metric: str, one: Measured, other: Measured) -> str:
    """`verdict` for a metric of METRICS or BEST_AT_HALF; those best at 0.5 are compared by their distance from it."""
    if is_best_at_half(metric):
        return verdict(off_half(one), off_half(other), lt)
    return verdict(one, other, partial(is_better, METRICS[metric]))


def with_deviation(value: Measured | None) -> str:
    """A value with its deviation over seeds, "12.3 ± 0.4"; the deviation of a single run is left out.

    "" for None.
    """
    return "" if value is None else plus_minus(value.value, value.deviation if value.runs > 1 else None)


def statement_table(statements: Sequence[Statement], measures: Mapping[str, Sequence[Measure]]) -> pd.DataFrame:
    """A row per statement, level and measure of its property; a statement without a measure has one row.

    measures: by property.
    """
    import pandas as pd

    rows = []
    for statement in statements:
        head = {"table": statement.table, "side": statement.side, "statement": statement.statement}
        lines = [
            {
                **head,
                "loss": level,
                "measured by": measure.label,
                **_held(statement, level, measure),
                "note": statement.note,
            }
            for measure in (measures.get(statement.property, ()) if statement.property else ())
            for level in statement.loss
            if level in {*measure.values, *measure.diverged}
        ]
        measured = statement.property is not None and statement.property in measures
        missing_verdict = "no run of it came to an end" if measured else "nothing here measures it"
        nothing = {"measured by": "", "value": "", "baseline": "", "verdict": missing_verdict}
        rows += lines or [{**head, "loss": ", ".join(statement.loss), **nothing, "note": statement.note}]
    order = ["table", "loss", "side", "statement", "measured by", "value", "baseline", "verdict", "note"]
    return pd.DataFrame(rows, columns=order)


def _held(statement: Statement, level: str, measure: Measure) -> dict[str, str]:
    good = measure.higher_is_better == (statement.side == "pro")
    levels: dict[str, Measured | None] = {**dict.fromkeys(measure.diverged), **measure.values}
    others = {name: levels[name] for name in statement.baseline if name in levels and name != level}
    found = [_verdict(levels[level], other, gt if good else lt) for other in others.values()]
    kinds = (HELD, REVERSED, NOT_SIGNIFICANT, UNKNOWN, ALL_DIVERGED)
    counted = {kind: found.count(kind) for kind in kinds if kind in found}
    return {
        "value": _shown(levels[level]),
        "baseline": "; ".join(f"{name} {_shown(other)}" for name, other in others.items()),
        "verdict": "; ".join(f"{kind} ({count} of {len(found)})" for kind, count in counted.items())
        or "no run of the baseline came to an end",
    }


def _verdict(one: Measured | None, other: Measured | None, is_better: Callable[[float, float], bool]) -> str:
    """`verdict` of two levels; None: every seed diverged."""
    return ALL_DIVERGED if one is None or other is None else verdict(one, other, is_better)


def _shown(value: Measured | None) -> str:
    return "diverged with every seed" if value is None else with_deviation(value)
