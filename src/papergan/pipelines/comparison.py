"""The comparison: from score cards and published results to a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kedro.pipeline import Pipeline

from papergan.config.checked import Comparison
from papergan.config.papers import citation, find_paper
from papergan.datasets.page import Page
from papergan.evaluation.scorecard import ScoreCard
from papergan.pipelines.groups import named_node
from papergan.reporting.comparison_page import comparison_html
from papergan.reporting.comparison_table import comparison_table, run_of_line
from papergan.reporting.pages import csv_page
from papergan.reporting.published_results import published_notes, published_rows
from papergan.reporting.rendering import to_console, to_markdown

TITLE = "Published and measured"
COMPARED = ["published", "score_cards", "sample_strips", "params:comparison"]  # inputs of the comparison


def compare(
    published: Mapping[str, Any],
    score_cards: Mapping[str, ScoreCard],
    sample_strips: Mapping[str, bytes],
    comparison: Comparison,
    scores: ScoreCard | None = None,
) -> Page:
    """The comparison table: published numbers next to measured ones.

    published: conf/base/published.yml. score_cards: the newest of every run, oldest first, under any names.
    sample_strips: PNGs by `ScoreCard.run`. scores: at the end of an experiment, its card, the newest of all.
    """
    if scores is not None:
        others = {name: card for name, card in score_cards.items() if name != scores.run}
        score_cards = {**others, scores.run: scores}
    chosen = comparison.recipe
    kept = {name: card for name, card in score_cards.items() if not chosen.leaves_out(card)}
    if chosen.newest_only:
        newest = {(card.experiment, card.dataset): name for name, card in kept.items()}
        kept = {name: card for name, card in kept.items() if name in newest.values()}
    cards = {name: card.model_dump() for name, card in kept.items()}
    rows = [replace(row, paper=find_paper(row.paper).short_name) for row in published_rows(published)]
    table, notes = comparison_table(rows, cards), list(published_notes(published, citation))
    strips = {line: sample_strips[run] for line, run in run_of_line(cards).items() if run in sample_strips}
    if len(kept) < len(score_cards):
        notes = [f"{len(score_cards) - len(kept)} runs are left out, as the parameters `comparison` ask", *notes]
    return Page(
        markdown=to_markdown(table, TITLE, notes),
        csv=csv_page(table),
        html=comparison_html(table, TITLE, notes, strips),
        console=to_console(table),
    )


def create_pipeline() -> Pipeline:
    """The pipeline that compares everything on disk; an experiment's pipeline ends with the same node."""
    return Pipeline([named_node(compare, COMPARED, "comparison")], tags=["comparison"])
