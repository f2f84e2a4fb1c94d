"""FD from 1 upward, until nothing is unstable beyond epoch 30: song2023, section 3.1."""

from __future__ import annotations

import logging
from typing import Any

from papergan.config.checked import Search
from papergan.config.papers import citation, short_name
from papergan.config.study import CellResult
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import CellStore
from papergan.metrics.registry import prefix_and_metric
from papergan.metrics.stability import instability
from papergan.reporting.pages import csv_page, html_page, markdown_page, text
from papergan.studies.tables import player_losses
from papergan.studies.trial import Player
from papergan.tracking import Tracker

log = logging.getLogger(__name__)

Trace = list[dict[str, Any]]
SCORES = ("fid", "is_mean", "recall", "coverage", "ms_ssim")


def search(
    search: Search, image_library: ImageLibrary, feature_cache: FeatureCache, cells: CellStore, tracker: Tracker
) -> tuple[Trace, dict[str, int]]:
    """Play FD = 1, 2, ... of every experiment up to the first stable one. Returns every trial, and what was chosen.

    An experiment of which no FD was stable has none chosen. Interrupted, the same command goes on from there.
    """
    player, trace, chosen = Player(image_library, feature_cache, cells, tracker), Trace(), dict[str, int]()
    for cell in search.cells:
        if cell.experiment in chosen:
            continue
        differences = int(cell.levels["FD"])
        result = player.play(cell)
        fault = result.card.diverged or instability(result.history.losses, search.recipe.rule)
        log.info("%s, FD %d: %s", cell.experiment, differences, fault or "nothing unstable; it is chosen")
        trace.append({
            "experiment": cell.experiment, "FD": differences, "instability": fault, "cell": cell.key, **_scores(result),
        })  # fmt: skip
        if fault is None:
            chosen[cell.experiment] = differences
    return trace, chosen


def _scores(result: CellResult) -> dict[str, float]:
    kept = {}
    for name, value in result.card.final.items():
        found = prefix_and_metric(name)
        if found is not None and found[1].name in SCORES:
            kept[name] = value
    return kept


def tabulate(search: Search, trace: Trace) -> Page:
    """Every trial with what was unstable, and the choice of each experiment in a sentence."""
    import pandas as pd
    from tabulate import tabulate as grid_of

    table = pd.DataFrame(trace).drop(columns="cell")
    table["instability"] = table["instability"].fillna("none: chosen")
    rule = search.recipe.rule
    notes = [
        *(_choice(search, trace, name) for name in search.recipe.experiments),
        f"unstable, after epoch {rule.after_epoch}: a loss is not finite; the discriminator's is below "
        f"{rule.won_below:g} in {rule.won_for} epochs in a row; the generator's is more than {rule.growth:g} times "
        f"that of epoch {rule.growth_since}. Adversarial losses, means over an epoch, seed {search.recipe.seed}",
        citation(search.recipe.paper),
        "its section 3.1 has the search in words, without a definition of instability and without a result",
    ]
    title = f"Search for FD, the feature differences of {short_name(search.recipe.paper)}"
    cells = [[text(cell) for cell in line] for line in table.itertuples(index=False)]
    return Page(
        markdown=markdown_page([("Trials", table)], title, notes),
        csv=csv_page(table),
        html=html_page([("Trials", table)], title, notes),
        console="\n".join([title, grid_of(cells, headers=list(table.columns), disable_numparse=True), *notes]),
    )


def _choice(search: Search, trace: Trace, experiment: str) -> str:
    mine = [trial for trial in trace if trial["experiment"] == experiment]
    stable = [trial["FD"] for trial in mine if trial["instability"] is None]
    if stable:
        return f"{experiment}: FD {stable[0]}, the first without an instability; its recipe has it from now on"
    return f"{experiment}: none of FD 1 to {len(mine)} was stable, the rule chooses nothing; its recipe keeps 1"


def draw(search: Search, trace: Trace, cells: CellStore) -> object:
    """Both players' losses over epochs, one panel per trial, the epochs that count on white. A matplotlib Figure."""
    from matplotlib.figure import Figure

    columns = max(1, max((trial["FD"] for trial in trace), default=1))
    rows = {name: place for place, name in enumerate(dict.fromkeys(trial["experiment"] for trial in trace))}
    figure = Figure(figsize=(3.2 * columns, 2.6 * max(1, len(rows))), layout="constrained")
    figure.suptitle("Search for FD: losses of every trial")
    for trial in trace:
        axes = figure.add_subplot(len(rows), columns, rows[trial["experiment"]] * columns + trial["FD"])
        result = cells.find(trial["cell"])
        for player in ("discriminator", "generator") if result is not None else ():
            assert result is not None
            line = player_losses(result, player, adversarial=True)
            axes.plot([epoch for epoch, _ in line], [loss for _, loss in line], label=player, linewidth=0.8)
        axes.axvspan(0, search.recipe.rule.after_epoch, color="0.92")
        axes.set_title(
            f"{trial['experiment']}, FD {trial['FD']}\n{trial['instability'] or 'stable'}", fontsize="xx-small"
        )
        axes.set_xlabel("epoch")
        axes.legend(fontsize="xx-small")
    return figure
