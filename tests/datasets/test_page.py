"""Previews of pages: as Kedro-Viz shows them, which takes some characters of HTML for Markdown."""

from __future__ import annotations

import re

import pandas as pd

from papergan.datasets.page import Page, PageDataset
from papergan.reporting.comparison_page import SORT
from papergan.reporting.pages import document, html_page


def preview_of(tmp_path, html: str) -> str:
    dataset = PageDataset(filepath=str(tmp_path), stem="page")
    dataset.save(Page("", "", html))
    return dataset.preview()


def test_a_preview_has_no_line_breaks_and_nothing_that_becomes_italics(tmp_path):
    table = pd.DataFrame({"experiment": ["hybrid_cifar10", "a*b*c"], "value_of": [1.5, 2.5]})
    shown = preview_of(tmp_path, html_page([("Results_1", table)], "A_title", ["note_1"]))
    assert "\n" not in shown.strip()
    texts = "".join(re.findall(r">([^<]*)<", shown.partition("</style>")[2]))
    assert not set("_*") & set(texts)
    assert "hybrid&#95;cifar10" in texts


def test_a_preview_has_no_script_and_the_page_itself_keeps_it(tmp_path):
    page = document("Title", f"<p>text</p><script>{SORT}</script>")
    shown = preview_of(tmp_path, page)
    assert "<script" not in shown
    assert "<p>text</p>" in shown
    assert SORT in PageDataset(filepath=str(tmp_path), stem="page").load().html
