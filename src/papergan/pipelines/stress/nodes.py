"""Cells to counts, counts to a table and two pictures."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from papergan.config.checked import Stress
from papergan.config.papers import citation
from papergan.datasets.mode_stress_results import StressStore
from papergan.datasets.page import Page
from papergan.pipelines.experiment.restore import stoppable
from papergan.reporting.pages import csv_page, html_page, markdown_page, text
from papergan.reporting.pros_and_cons import judged, read_statements
from papergan.studies import mode_stress_figures
from papergan.studies.mode_stress_tables import every_cell, gauges_of, groups_of, sentences, summary
from papergan.studies.mode_stress_trial import play_cell
from papergan.tracking import Tracker, provenance
from papergan.tracking.run_content import flattened

log = logging.getLogger(__name__)


def play_cells(stress: Stress, cells: StressStore, tracker: Tracker) -> dict[str, str]:
    """Play every cell that is not done. Returns where the result of each is kept, by its name and seed.

    Raises Interrupted after a stop signal; the same command goes on from there, the cell that was being played anew.
    """
    with stoppable("a stress test") as stop:
        for place, cell in enumerate(stress.cells, 1):
            if cells.find(cell.key) is not None:
                continue
            log.info("Cell %d of %d: %s, seed %d", place, len(stress.cells), cell.name, cell.seed)
            tags = {"target": cell.target, "level": cell.level}
            parameters = {**dict(flattened("settings.", cell.settings)), "seed": cell.seed, "steps": cell.recipe.steps}
            with tracker.nested(f"{cell.name}/seed {cell.seed}", parameters, tags) as nested:
                result = play_cell(cell, stop, nested.report)
            commit = provenance.commit()
            facts = {
                "hardware": provenance.hardware(torch.device("cpu")), **provenance.versions(),
                "commit": f"{commit.name[:12]}{' with uncommitted changes' if commit.dirty else ''}",
            }  # fmt: skip
            cells.keep(cell.key, replace(result, provenance=facts))
    return {f"{cell.name}, seed {cell.seed}": cell.key for cell in stress.cells}


def tabulate(stress: Stress, cells: StressStore, played: Mapping[str, str], pros_and_cons: Mapping[str, Any]) -> Page:
    """Modes covered by every level, means and deviations over seeds; claims; the paper's pros and cons."""
    from tabulate import tabulate as grid_of

    recipe, groups = stress.recipe, groups_of(stress.cells, cells)
    statements = read_statements(pros_and_cons, recipe.paper)
    losses = {loss for statement in statements for loss in statement.loss}
    parts, told = [], []
    for target, how in recipe.targets.items():
        mine = [group for group in groups if group.target == target and group.results]
        parts.append((f"{target} of {how.modes} Gaussians", summary(mine, how, recipe)))
        told += [f"{target}: {sentence}" for sentence in sentences(recipe.contrasts, mine)]
        if losses & {group.level for group in mine}:
            parts.append((f"Pros and cons, {target}", judged(statements, gauges_of(mine))))
    missing = sum(len(group.missing) for group in groups)
    notes = [*told, *([f"{missing} cells not done yet"] if missing else [])]
    notes += [
        f"a mode is covered if one of {recipe.samples} samples lies within 3 deviations of its centre; "
        f"high quality: the share of samples that lie so near to some centre; divergence: KL of the modes' shares from "
        f"equal ones, 0 is best, {text(math.log(max(how.modes for how in recipe.targets.values())))} the worst on the "
        "grid; after the last step, and the mean over the second half of training",
        citation(recipe.paper),
        f"{recipe.steps} steps of {recipe.batch_size} points, system {recipe.system}, "
        f"{', '.join(f'{name} {value}' for name, value in recipe.common.items())}; ± over seeds "
        f"{', '.join(map(str, recipe.seeds))} (N - 1)",
    ]
    newest = next((group.results[-1] for group in reversed(groups) if group.results), None)
    if newest is not None:
        notes.append(", ".join(f"{name} {value}" for name, value in newest.provenance.items()))
    title = f"{stress.name}: {recipe.description}"
    console = [
        f"{heading}\n{grid_of(list(table.itertuples(index=False)), list(table.columns), disable_numparse=True)}\n"
        for heading, table in parts
        if not heading.startswith("Pros")
    ]
    return Page(
        markdown=markdown_page(parts, title, notes),
        csv=csv_page(every_cell(groups)),
        html=html_page(parts, title, notes),
        console="\n".join([*console, *told]),
    )


def draw_samples(stress: Stress, cells: StressStore, played: Mapping[str, str]) -> object:
    """Points of every level over the centres, one small picture each. Returns a matplotlib Figure."""
    return mode_stress_figures.samples(
        groups_of(stress.cells, cells), stress.recipe, f"{stress.name}: samples of the first seed"
    )


def draw_modes(stress: Stress, cells: StressStore, played: Mapping[str, str]) -> object:
    """Modes covered over steps. Returns a matplotlib Figure."""
    return mode_stress_figures.modes(
        groups_of(stress.cells, cells), stress.recipe, f"{stress.name}: modes covered over steps"
    )
