from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers.cards import card, demo_card, metrics, protocol
from papergan.reporting.comparison_page import comparison_html
from papergan.reporting.comparison_table import comparison_table
from papergan.reporting.published_results import published_rows
from papergan.reporting.rendering import parts_of, to_console, to_markdown

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
    page = comparison_html(table, "Title <b>", ["note <i>", HOSTILE])
    parsed = Cells()
    parsed.feed(page)
    assert not parsed.tags & {"link", "img", "iframe", "i"}
    assert page.count("<script>") == 1
    assert not parsed.attributes & {"src", "href", "onclick"}
    assert "url(" not in page
    assert "@import" not in page
    assert "alert(1)" not in page.partition("<script>")[2]
    assert any(HOSTILE in cell for row in parsed.rows for cell in row)


def test_the_page_begins_with_what_was_measured_beside_what_is_published(table: pd.DataFrame) -> None:
    parsed = Cells()
    parsed.feed(comparison_html(table, "Title"))
    header, *lines = parsed.rows
    assert header[:5] == ["samples", "run", "published", "FID", "IS"]
    measured = [line for line in lines if len(line) == len(header)][: table["experiment"].notna().sum()]
    proposed = next(line for line in measured if line[1].startswith("hybrid_cifar10") and "FID" in line[2])
    assert "FID 20.90" in proposed[2]
    assert proposed[3].startswith("30.00")
    assert not any("SteinGAN" in cell for line in measured for cell in line)


def test_runs_show_their_samples(table: pd.DataFrame) -> None:
    line = table[table["experiment"] == "hybrid_cifar10"].iloc[0]
    key = ("hybrid_cifar10", line["variant"] if pd.notna(line["variant"]) else "", line["dataset"])
    page = comparison_html(table, "Title", strips={key: b"a picture"})
    assert 'alt="samples of hybrid_cifar10" src="data:image/png;base64,YSBwaWN0dXJl"' in page
    assert "of the newest seed" in page  # each seed has latents of its own


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
    assert "synthetic_s" in text
    assert "diverged at step 12" in text


def test_console_shows_only_scores_of_the_published_kind(table: pd.DataFrame) -> None:
    for line in to_console(table, 200).splitlines():
        assert not (line.startswith("IV ") and "fid[" in line)
        assert not (line.startswith("V ") and "is[" in line)


def test_console_without_measurements() -> None:
    table = comparison_table(published_rows(yaml.safe_load(FILE.read_text())), {})
    assert to_console(table) == "nothing was measured yet"


def test_translations_have_a_table_of_their_own_with_their_baselines() -> None:
    rules = protocol("domain", num_samples=500)
    found = {"psnr_y": 21.5, "ssim_y": 0.75, "domain_num_samples": 500.0, "domain_fid": 80.0}
    real = {
        "name": "bicubic",
        "dataset": "cifar10/test, small",
        "protocols": [rules],
        "metrics": {**found, "psnr_y": 20.5},
    }
    enlarged = card(
        "srgan_cifar10", protocols=[rules], final=found, real_rows=[real], best_fid=None, best_is=None,
        notes=["no accuracy of a discriminator, since none is trained"],
    )  # fmt: skip
    table = comparison_table([], {"a": card(), "b": enlarged})
    parsed = Cells()
    page = comparison_html(table, "Title")
    parsed.feed(page.partition("<details>")[0])
    first = next(place for place, row in enumerate(parsed.rows) if row[3] == "PSNR Y")
    assert parsed.rows[first][3:7] == ["PSNR Y", "SSIM Y", "FID", "D accuracy"]  # no column of what nothing has
    assert [row[1][:7] for row in parsed.rows[:first]] == ["run", "hybrid_"]
    run, bicubic = parsed.rows[first + 1 :]
    assert (run[3][:5], bicubic[3][:5]) == ("21.50", "20.50")
    assert (run[6], "none is trained" in run[1]) == ("", True)
    assert "<h2>Translations</h2>" not in comparison_html(comparison_table([], {"a": card()}), "Title")
    text = to_markdown(table, "Title").partition("## Translations")[2].partition("## ")[0]
    assert "psnr_y@500" in text
    assert "bicubic" in text
    assert " is@" not in text
    assert "psnr_y[" in to_console(table)


def test_all_baselines_of_the_same_inputs_have_a_column_of_further_metrics() -> None:
    recalls = {"mean fill": 0.5, "nearest fill": 0.6}
    real = [
        {"name": name, "dataset": "test", "protocols": [protocol()], "metrics": metrics(recall=recall)}
        for name, recall in recalls.items()
    ]
    table = comparison_table([], {"a": card(real_rows=real, final=metrics(recall=0.4))})
    (recall,) = dict(parts_of(table))["Beyond FID and IS"].to_dict("records")
    assert list(recall.values())[1:] == ["0.4", "0.5", "0.6"]


def test_published_numbers_of_other_images_stand_below_translations_and_say_so() -> None:
    rules = protocol("domain", num_samples=500)
    found = {"psnr_y": 21.5, "domain_num_samples": 500.0}
    one = card("srgan_cifar10", protocols=[rules], final=found, best_fid=None, best_is=None)
    rows = published_rows(yaml.safe_load(FILE.read_text()))
    table = comparison_table(rows, {"a": one})
    assert table[table["experiment"].notna()]["row"].tolist() == ["(on other data than published)"]
    parsed = Cells()
    parsed.feed(comparison_html(table, "Title").partition("<details>")[0])
    known = {(row[1], row[2]) for row in parsed.rows if any("of other images" in cell for cell in row)}
    assert len(known) == 9  # three methods on three sets
    assert any(
        "SRGAN" in run and "SET14" in run and cell.startswith("PSNR_Y 26.02SSIM_Y 0.74") for run, cell in known
    ), known
