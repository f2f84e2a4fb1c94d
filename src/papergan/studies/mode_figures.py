"""Figures of the mode stress test."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from papergan.config.mode_stress import MODES, ModeStressRecipe
from papergan.studies.seed_groups import ModeGroup

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

COLUMNS = 6


def samples(groups: Sequence[ModeGroup], recipe: ModeStressRecipe, title: str) -> Figure:
    """Generated points on the centres of the modes, a panel per target and level; of the first finished seed."""
    from matplotlib.figure import Figure

    shown = [group for group in groups if group.results]
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = Figure(figsize=(2.2 * COLUMNS, 2.4 * rows), layout="constrained")
    figure.suptitle(title)
    for place, group in enumerate(shown, 1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        centres = recipe.targets[group.grid].mixture().centres
        limit = 1.25 * float(centres.abs().max())
        axes.scatter(centres[:, 0], centres[:, 1], s=60, facecolors="none", edgecolors="tab:red", linewidths=0.6)
        if points := group.results[0].points:
            axes.scatter([x for x, _ in points], [y for _, y in points], s=1.5, color="tab:blue", alpha=0.5)
        else:
            axes.text(0, 0, "diverged", ha="center", va="center")
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=(), yticks=(), aspect="equal")
        axes.set_title(f"{group.grid}, {group.trial.level}", fontsize="xx-small")
    return figure


def modes(groups: Sequence[ModeGroup], recipe: ModeStressRecipe, title: str) -> Figure:
    """The mean over seeds of the number of modes covered, a panel per target, a line per level."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5 * len(recipe.targets) + 2, 5), layout="constrained")
    lines: dict[str, Artist] = {}
    figure.suptitle(title)
    for column, (target, mixture_recipe) in enumerate(recipe.targets.items(), 1):
        axes = figure.add_subplot(1, len(recipe.targets), column)
        target_groups = [group for group in groups if group.grid == target]
        for place, group in enumerate(target_groups):
            if not group.results:
                continue  # its colour is not used by another group
            shortest = min((result.over_time for result in group.results), key=len)
            means = [fmean(result.over_time[row][MODES] for result in group.results) for row in range(len(shortest))]
            style = ("-", "--", ":")[place // 10 % 3]
            steps = [row["step"] for row in shortest]
            (lines[group.trial.level],) = axes.plot(steps, means, style, color=f"C{place % 10}")
        axes.axhline(mixture_recipe.modes, color="0.6", linewidth=0.6)
        axes.set(title=target, xlabel="step", ylabel=f"modes covered, of {mixture_recipe.modes}")
        axes.grid(alpha=0.3)
    figure.legend(lines.values(), lines, fontsize="x-small", loc="outside right center")
    return figure
