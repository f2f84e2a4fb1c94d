"""The page of a study: tables, results of claims, all trials as CSV, and console text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from papergan.datasets.page import Page
from papergan.reporting.pages import console_table

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
    console = [f"{heading}\n{console_table(narrow(table))}\n" for heading, table in tables]
    return Page.of([*tables, *more], title, [*sentences, *notes], trials, console="\n".join([*console, *sentences]))
