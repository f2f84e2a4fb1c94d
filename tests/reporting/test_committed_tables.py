"""Verdicts in committed tables are those of today's rule, from the numbers beside them; their wording is today's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from math import floor, log10
from operator import gt, lt
from pathlib import Path

import pytest

from helpers.project_run import PROJECT
from papergan.config.study import HIGHER_IS_BETTER
from papergan.metrics.registry import METRICS, is_best_at_half
from papergan.reporting.column_headers import metric_of
from papergan.reporting.pros_and_cons import ALL_DIVERGED, HELD, NOT_SIGNIFICANT, REVERSED, UNKNOWN, verdict, verdict_by
from papergan.reporting.seed_groups import Measured
from papergan.studies.claims import verdict_counts

FOLDER = PROJECT / "benchmarks/results"
PAGES = sorted(FOLDER.rglob("*.md"))
WITH_CLAIMS = [page for page in PAGES if "\n## Claims\n" in page.read_text()]
WITH_PROS_AND_CONS = [page for page in PAGES if "\n## Pros and cons" in page.read_text()]
METRIC_IN_HEADER = {metric.pattern.split("@")[0]: name for name, metric in METRICS.items()}
HIGHER = ("modes", "quality", "recall", "classes")  # in the names of measures of pros and cons
CLAIM_ROWS, DECIDED_CLAIM_ROWS = 343, 338  # committed when this test was written; printed digits decide the latter
STATEMENT_COMPARISONS = 139  # likewise, of the pros and cons

KIND_AND_COUNT = r"(\w[\w :]*) \((\d+) of \d+\)"

Row = dict[str, str]
Rule = Callable[[Measured, Measured], str]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(text: str) -> Iterator[tuple[str, list[Row]]]:
    """The heading and the rows of every table of a page."""
    for heading, header, body in re.findall(r"^## (.*)\n\n(\|.*)\n\|.*\n((?:\|.*\n)*)", text, re.M):
        yield heading, [dict(zip(cells(header), cells(line), strict=True)) for line in body.splitlines()]


def seeds_by_name(text: str) -> dict[tuple[str, str], int]:
    """The number of seeds of each row with measurements, by the table's grid and the row's name."""
    found = {}
    for heading, rows in tables(text):
        for row in rows:
            if "experiment" in row and "seeds" in row:
                columns = list(row)
                choices = columns[columns.index("experiment") : columns.index("seeds")]
                name = "/".join(row[column] for column in choices if row[column])
                found[heading.split(", ")[0], name] = len(row["seeds"].split(", "))
    return found


def seeds_of(row: Row, by_name: dict[tuple[str, str], int]) -> tuple[int, int]:
    if "seeds" in row:
        one, other = (int(count.split()[0]) for count in row["seeds"].split(", "))
        return one, other
    one, other = (row[new] if new in row else row[old] for new, old in (("treatment", "of"), ("baseline", "against")))
    return by_name[row["grid"], one], by_name[row["grid"], other]


def half_a_digit(number: str) -> float:
    """How far a number may be from what is printed; a printed 0 is exact."""
    value = abs(float(number))
    if not value:
        return 0.0
    if value > 1:
        return 0.5 * 10.0 ** -len(number.partition(".")[2])
    return 0.5 * 10.0 ** (floor(log10(value)) - 2)


def possible(cell: str, runs: int) -> set[Measured]:
    """The extremes of what "value ± deviation" may have been before rounding; none for a side without a value."""
    if cell in ("", "diverged with every seed"):
        return set()
    value, _, deviation = cell.partition(" ± ")
    values = [float(value) + sign * half_a_digit(value) for sign in (-1, 1)]
    deviations = [float(deviation) + sign * half_a_digit(deviation) for sign in (-1, 1)] if deviation else [None]
    return {Measured(one, other, runs) for one, other in product(values, deviations)}


def decided(one: set[Measured], other: set[Measured], rule: Rule) -> str | None:
    """The verdict, or None if rounding the last printed digit could change it."""
    verdicts = {rule(*pair) for pair in product(one, other)} or {ALL_DIVERGED}
    return verdicts.pop() if len(verdicts) == 1 else None


def verdict_of_more(one: Measured, other: Measured) -> str:
    return verdict(one, other, gt)


def rule_of_claim(label: str) -> Rule:
    header = label.split(" than ")[0]
    metric = METRIC_IN_HEADER.get(metric_of(header), header) if "@" in header else header
    if metric in METRICS or is_best_at_half(metric):
        return lambda one, other: verdict_by(metric, one, other)
    return lambda one, other: verdict(one, other, gt if metric in HIGHER_IS_BETTER else lt)


def claims(page: Path) -> Iterator[tuple[Row, str | None]]:
    """Every row of a page's claims, and the verdict by its printed numbers."""
    text = page.read_text()
    by_name = seeds_by_name(text)
    for row in dict(tables(text))["Claims"]:
        one, other = seeds_of(row, by_name)
        baseline = row["of the baseline"] if "of the baseline" in row else row["against it"]
        yield row, decided(possible(row["value"], one), possible(baseline, other), rule_of_claim(row["metric"]))


def runs_of_statements(text: str) -> int:
    """The seeds behind every number of the pros and cons: all levels have the same there."""
    note = re.search(r"± over seeds ([\d, ]+) \(", text)
    counts = {len(note[1].split(", "))} if note else set(seeds_by_name(text).values())
    assert len(counts) == 1
    return counts.pop()


def statements(page: Path) -> Iterator[tuple[Row, list[str | None]]]:
    """Every measured line of a page's pros and cons, and its verdict against each loss of the baseline."""
    text = page.read_text()
    runs = runs_of_statements(text)
    for heading, rows in tables(text):
        for row in rows if heading.startswith("Pros and cons") else ():
            if row["value"]:
                measure = row["measured by"]
                good = any(word in measure for word in HIGHER) == (row["side"] == "pro")
                baseline = row["baseline"] if "baseline" in row else row["against"]
                others = [cell.split(" ", 1)[1] for cell in baseline.split("; ")]
                rule = (lambda one, other: verdict(one, other, gt)) if good else (lambda a, b: verdict(a, b, lt))
                yield row, [decided(possible(row["value"], runs), possible(cell, runs), rule) for cell in others]


def test_verdicts_of_claims_follow_from_their_numbers():
    rows = [(page.parent.name, row, found) for page in WITH_CLAIMS for row, found in claims(page)]
    known = [(folder, row, found) for folder, row, found in rows if found is not None]
    assert [(folder, list(row.values()), found) for folder, row, found in known if row["verdict"] != found] == []
    assert len(rows) >= CLAIM_ROWS
    assert len(known) >= DECIDED_CLAIM_ROWS
    assert {found for *_, found in known} == {HELD, REVERSED, NOT_SIGNIFICANT, UNKNOWN}


def test_verdicts_of_pros_and_cons_follow_from_their_numbers():
    compared, wrong = 0, []
    for page in WITH_PROS_AND_CONS:
        for row, found in statements(page):
            printed = Counter({kind: int(n) for kind, n in re.findall(KIND_AND_COUNT, row["verdict"])})
            known = Counter(one for one in found if one is not None)
            compared += known.total()
            if known - printed or printed.total() != len(found):
                wrong.append((page.parent.name, list(row.values()), found))
    assert wrong == []
    assert compared >= STATEMENT_COMPARISONS


def test_sides_without_a_value_and_single_seeds_are_verdicts_too():
    assert decided(possible("8.00 ± 0.1", 3), possible("diverged with every seed", 3), verdict_of_more) == ALL_DIVERGED
    assert decided(possible("8.00", 1), possible("4.00", 1), verdict_of_more) == UNKNOWN
    assert re.findall(KIND_AND_COUNT, f"{HELD} (1 of 2); {UNKNOWN} (1 of 2)") == [(HELD, "1"), (UNKNOWN, "1")]


@pytest.mark.parametrize("page", WITH_CLAIMS, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_sentences_count_the_verdicts_of_the_claims(page):
    text = page.read_text()
    by_claim: dict[str, list[Row]] = {}
    for row in dict(tables(text))["Claims"]:
        by_claim.setdefault(row["claim"], []).append(row)
    for claim, rows in by_claim.items():
        (sentence,) = re.findall(rf"^- {re.escape(claim)}: (by .*)$", text, re.M)
        parts = [re.sub(r"^by \w+ ", "", part) for part in sentence.split("; ")]
        by_label: dict[str, Counter[str]] = {}
        for row in rows:
            label = row["metric"].split("@")[0]
            kind = metric_of(label) or label
            by_label.setdefault(kind, Counter())[row["verdict"]] += 1
        assert parts == [verdict_counts(counts) for counts in by_label.values()], claim


@pytest.mark.parametrize("words", ["drown", "document 00"])
def test_words_of_earlier_versions_are_gone(words):
    pages = [*PAGES, *(PROJECT / "docs").rglob("*.md"), PROJECT / "README.md"]
    assert [str(page.relative_to(PROJECT)) for page in pages if words in page.read_text().lower()] == []
