"""The page of a study: tables, results of claims, all trials as CSV, and console text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from papergan.datasets.page import Page
from papergan.reporting.pages import csv_page, html_page, markdown_page, text

if TYPE_CHECKING:
    import pandas as pd


def study_page(
    tables: Sequence[tuple[str, pd.DataFrame]],
    more: Sequence[tuple[str, pd.DataFrame]],
    title: str,
    notes: Sequence[str],
    trials: pd.DataFrame,
    *,
    sentences: Sequence[str] = (),
    narrow: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> Page:
    """The page of a study. tables: heading and table; `narrow` selects columns for the console.

    more: tables on the page alone. sentences: above the notes, on the console too. trials: one row each, for the CSV.
    """
    from tabulate import tabulate

    parts, shown = [*tables, *more], [(heading, narrow(table)) for heading, table in tables]
    console = [
        f"{heading}\n{tabulate(_texts(table), list(table.columns), disable_numparse=True)}\n"
        for heading, table in shown
    ]
    return Page(
        markdown=markdown_page(parts, title, [*sentences, *notes]),
        csv=csv_page(trials),
        html=html_page(parts, title, [*sentences, *notes]),
        console="\n".join([*console, *sentences]),
    )


def _texts(table: pd.DataFrame) -> list[list[str]]:
    return [[text(cell) for cell in line] for line in table.itertuples(index=False)]
