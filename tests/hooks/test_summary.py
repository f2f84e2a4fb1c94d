"""The summary of a run: which tables are printed."""

from __future__ import annotations

from papergan.datasets.page import Page
from papergan.hooks.summary import SummaryHook


def page(text: str) -> Page:
    return Page("", "", None, text)


def test_each_table_is_printed_and_of_comparisons_the_newest(capsys):
    hook = SummaryHook()
    tables = {"one.study_table": "first study", "two.study_table": "second study", "a.scores": "no page"}
    for name, text in tables.items():
        hook.after_dataset_saved(name, page(text) if name.endswith("table") else text)
    for text in ("comparison of one", "comparison of both"):
        hook.after_dataset_saved("comparison", page(text))
    hook.on_pipeline_error()
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line] == ["first study", "second study", "comparison of both"]
    hook.before_pipeline_run()
    hook.on_pipeline_error()
    assert capsys.readouterr().out == ""
