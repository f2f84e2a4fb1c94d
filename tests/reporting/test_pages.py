"""Tables as files that people open with something."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from helpers.project_run import score_card
from papergan.config.checked import Comparison
from papergan.config.tools import ComparisonSettings
from papergan.pipelines.comparison import compare
from papergan.reporting.pages import csv_page

FORMULA = '=HYPERLINK("http://127.0.0.1/?"&A1,"scores")'


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    "cell", [FORMULA, "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "--1", "-", "\uff1d1"]
)
def test_text_that_a_spreadsheet_would_compute_is_kept_from_it(cell):
    kept = cell.replace("\r", "\n")
    table = pd.DataFrame({"name": [cell], cell: ["a"]}).astype("string")
    assert read(csv_page(table)) == [["name", f"'{kept}"], [f"'{kept}", "a"]]


def test_no_text_begins_a_row_of_its_own():
    table = pd.DataFrame({"name": ["a\r=1"]}).astype("string")
    assert read(csv_page(table)) == [["name"], ["a\n=1"]]


def test_numbers_and_plain_text_are_as_they_were():
    numbers = pd.array([-1.5, 1e-300, None, 20.0], dtype="Float64")
    table = pd.DataFrame(
        {
            "float": numbers, "object": [-1.5, 3, None, "a-b"], "text": ["-1.5", "+2e3", "-inf", "a = b"],
            "whole": pd.array([-3, None, 2**62, 0], dtype="Int64"), "twice": [1, 2, 3, 4],
        }
    ).astype({"text": "string"})  # fmt: skip
    table.columns = ["float", "object", "text", "whole", "float"]  # also where two columns share a name
    assert csv_page(table) == table.to_csv(index=False)
    assert pd.read_csv(io.StringIO(csv_page(table)), dtype={"float": "Float64"})["float"].equals(pd.Series(numbers))


def test_a_forged_card_brings_no_formula_into_the_comparison():
    card = score_card(experiment=FORMULA, hardware="@cmd", notes=("-1+cmd",), dataset="+x/train")
    rows = read(compare({}, {"forged": card}, {}, Comparison(ComparisonSettings())).csv)
    cells = [cell for row in rows for cell in row]
    assert f"'{FORMULA}" in cells
    assert "'@cmd" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert "9.0" in cells
