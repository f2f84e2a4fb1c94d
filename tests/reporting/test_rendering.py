from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers.cards import card, demo_card, metrics
from papergan.reporting.comparison_table import comparison_table
from papergan.reporting.published_results import published_rows
from papergan.reporting.rendering import to_console, to_html, to_markdown

FILE = Path(__file__).parents[2] / "conf" / "base" / "published.yml"
HOSTILE = "<script>alert(1)</script> | a\nb"


@pytest.fixture
def table() -> pd.DataFrame:
    failed = card(
        "dcgan_cifar10", diverged="diverged at step 12", final={}, best_fid=None, best_is=None, protocols=[]
    )  # fmt: skip
    final = metrics() | {"recall": 0.5, "kid_mean": 0.01, "kid_bootstrap": 0.002}
    cards = {"a": card(notes=[HOSTILE], final=final), "demo": demo_card(), "failed": failed}
    return comparison_table(published_rows(yaml.safe_load(FILE.read_text())), cards)


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_html_stands_alone_and_is_escaped(table: pd.DataFrame) -> None:
    page = to_html(table, "Title <b>", ["note <i>", HOSTILE])
    parsed = Cells()
    parsed.feed(page)
    assert not parsed.tags & {"script", "link", "img", "iframe", "i", "b"}
    assert not parsed.attributes & {"src", "href", "onclick"}
    assert "url(" not in page
    assert "@import" not in page
    results, beyond, runs = parsed.rows[: len(table) + 1], parsed.rows[len(table) + 1 : -4], parsed.rows[-4:]
    assert len(runs) == 1 + 3  # a header and three measured runs
    assert len(beyond[0]) == 2  # the metric, and the one run that has more than FID and IS
    assert all(len({len(row) for row in part}) == 1 for part in (results[:-1], beyond, runs[:-1]))
    assert any(HOSTILE in cell for row in parsed.rows for cell in row)


def test_markdown_has_one_cell_per_column(table: pd.DataFrame) -> None:
    text = to_markdown(table, "Title", ["first note"])
    results, beyond, runs = text.split("\n## ")[1:]
    assert "| metric | hybrid_cifar10 (cifar10) |" in beyond
    assert "| recall@10000v10000-train/k3-inception | 0.5 |" in beyond
    for part, rows in ((results, len(table)), (runs, 3)):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert len(lines) == rows + 2
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert text.startswith("# Title\n")
    assert "- first note" in text
    assert "<script>" not in text


def test_numbers_are_as_published_and_missing_ones_are_empty(table: pd.DataFrame) -> None:
    text = to_markdown(table, "Title")
    assert "| 20.90 |" in text
    assert "| 6.80 | 0.22 |" in text
    for missing in ("nan", "<NA>", "None"):
        assert missing not in text


@pytest.mark.parametrize("width", [120, 140, 160])
def test_console_shows_what_was_measured_and_fits(table: pd.DataFrame, width: int) -> None:
    text = to_console(table, width)
    body = [line for line in text.splitlines() if not line.startswith("[")]
    assert max(map(len, body)) <= width
    assert "SteinGAN" not in text
    assert "IS 6.80 ± 0.22" in text
    assert "FID 20.90" in text
    assert "synthetic_shapes" in text
    assert "diverged at step 12" in text
    assert "not the published data set (synthetic_shapes, not cifar10)" in text


def test_console_shows_only_scores_of_the_published_kind(table: pd.DataFrame) -> None:
    for line in to_console(table, 200).splitlines():
        assert not (line.startswith("IV ") and "fid[" in line)
        assert not (line.startswith("V ") and "is[" in line)


def test_console_without_measurements() -> None:
    table = comparison_table(published_rows(yaml.safe_load(FILE.read_text())), {})
    assert to_console(table) == "nothing was measured yet"
