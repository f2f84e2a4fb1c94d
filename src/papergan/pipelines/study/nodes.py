"""Cells to results, results to tables and pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from papergan.config.checked import Study
from papergan.config.papers import citation
from papergan.config.study import Cell
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import CellStore
from papergan.evaluation.scorecard import ScoreCard
from papergan.metrics.registry import prefix_and_metric
from papergan.reporting.pages import csv_page, html_page, markdown_page, text
from papergan.reporting.pros_and_cons import Statement, judged, read_statements
from papergan.reporting.published_results import PublishedRow, published_notes, published_rows
from papergan.studies import figures
from papergan.studies.claims import findings_of, sentences, table_of
from papergan.studies.seed_groups import Group, groups_of, parts_of
from papergan.studies.tables import every_cell, gauges_of, summary
from papergan.studies.trial import Player
from papergan.tracking import Tracker

log = logging.getLogger(__name__)


def play_cells(
    study: Study, image_library: ImageLibrary, feature_cache: FeatureCache, cells: CellStore, tracker: Tracker
) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Play every cell that is not done.

    Returns where the result of each is kept, by its name and seed; and, where cells train on some images of a data set
    only, which these are, by the name of the image set.

    Raises Interrupted after a stop signal; the same command goes on from there.
    """
    player = Player(image_library, feature_cache, cells, tracker)
    once: dict[str, Cell] = {}
    for cell in study.cells:
        once.setdefault(cell.key, cell)
    for place, cell in enumerate(once.values(), 1):
        words = "done already" if cells.has(cell.key) else "now"
        log.info("Cell %d of %d: %s, seed %d: %s", place, len(once), cell.name, cell.recipe.seed, words)
        player.play(cell)
    subsets = dict(filter(None, map(player.subset_of, once.values())))
    return {f"{cell.grid}: {cell.name}, seed {cell.recipe.seed}": cell.key for cell in study.cells}, subsets


def tabulate(
    study: Study, cells: CellStore, played: Mapping[str, str], published: Mapping[str, Any],
    pros_and_cons: Mapping[str, Any],
) -> Page:  # fmt: skip
    """Means and deviations over seeds beside the published numbers, and every claim beside what became of it.

    played: that cells were; what is not done yet is said at its row. published, pros_and_cons: of conf/base; the latter
    where the study has losses that the paper speaks of.
    """
    from tabulate import tabulate as grid_of

    groups = groups_of(study.cells, cells)
    rows = [row for row in published_rows(published) if row.paper == study.recipe.paper]
    rows = [row for row in rows if study.recipe.tables is None or row.table in study.recipe.tables]
    tables = [(f"{grid}, {data}", summary(part, rows)) for (grid, data), part in parts_of(groups).items()]
    findings = findings_of(study.recipe.contrasts, groups, rows)
    parts = [*tables, *([("Claims", table_of(findings))] if findings else [])]
    parts += _pros_and_cons(groups, read_statements(pros_and_cons, study.recipe.paper))
    title, told = f"{study.name}: {study.recipe.description}", sentences(findings)
    notes = [*told, *_notes(study, groups, rows, published)]
    console = [f"{heading}\n{grid_of(*_shown(table), disable_numparse=True)}\n" for heading, table in tables]
    return Page(
        markdown=markdown_page(parts, title, notes),
        csv=csv_page(every_cell(groups)),
        html=html_page(parts, title, notes),
        console="\n".join([*console, *told]),
    )


def _pros_and_cons(groups: Sequence[Group], statements: Sequence[Statement]) -> list[tuple[str, Any]]:
    losses = {loss for statement in statements for loss in statement.loss}
    return [
        (f"Pros and cons, {grid}, {data}", judged(statements, gauges_of(part)))
        for (grid, data), part in parts_of(groups).items()
        if losses & {level for group in part for level in group.levels.values()}
    ]


CONSOLE = ("fid@", "is@", "recall@", "copies@", "ms_ssim@")  # what there is room for; the page has the rest


def _shown(table: Any) -> tuple[list[list[str]], list[str]]:
    kept = [name for name in table.columns if "@" not in name or any(kind in name for kind in CONSOLE)]
    return [[text(cell) for cell in line] for line in table[kept].itertuples(index=False)], kept


def _notes(
    study: Study, groups: Sequence[Group], rows: Sequence[PublishedRow], published: Mapping[str, Any]
) -> list[str]:
    done = [result.card for group in groups for result in group.results]
    missing = sum(len(group.missing) for group in groups)
    notes = [f"{len(done)} cells done, {missing} not yet"] if missing else []
    real_rows = {(real.dataset, real.name): real for card in done for real in card.real_rows}
    for real in real_rows.values():
        values = [f"{name} {text(value)}" for name, value in real.metrics.items() if prefix_and_metric(name)]
        notes.append(f"{real.name} of {real.dataset}, by the same rules: {', '.join(values)}")
    notes += [f"{row.table}, {row.row}: {row.remark}" for row in rows if row.remark]
    paper = study.recipe.paper
    notes += published_notes({paper: published[paper]}, citation) if rows else [citation(paper)]
    notes += dict.fromkeys(_made_by(card) for card in done)  # several, where a study went on elsewhere
    notes.append(
        "± is the standard deviation over seeds (N - 1); a rank such as 1-3 says that nothing separates this row from "
        "two others; D loss spread is the deviation of the discriminator's loss over the second half of training; "
        "checkerboard is log10 of 64 samples' power at the frequencies of period 2 over that of their neighbours"
    )
    return notes


def _made_by(card: ScoreCard) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items()))
    dirty = " with uncommitted changes" if card.dirty else ""
    return f"{card.hardware}; {versions}; commit {card.commit[:12]}{dirty}"


def draw_losses(study: Study, cells: CellStore, played: Mapping[str, str]) -> object:
    """Both players' losses over epochs, one panel per row of the table. Returns a matplotlib Figure."""
    return figures.losses(groups_of(study.cells, cells), f"{study.name}: losses")


def draw_scores(study: Study, cells: CellStore, played: Mapping[str, str]) -> object:
    """Metrics over epochs. Returns a matplotlib Figure."""
    return figures.scores(groups_of(study.cells, cells), f"{study.name}: scores over epochs")


def draw_samples(study: Study, cells: CellStore, played: Mapping[str, str]) -> object:
    """Samples of every row of the table. Returns a matplotlib Figure."""
    return figures.samples(groups_of(study.cells, cells), f"{study.name}: samples")


def draw_neighbours(study: Study, cells: CellStore, played: Mapping[str, str]) -> object:
    """Samples beside their nearest training images, for every row of the table. Returns a matplotlib Figure."""
    return figures.neighbours(groups_of(study.cells, cells), f"{study.name}: samples and their nearest training images")
