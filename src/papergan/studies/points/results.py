"""Tables and figures of the mode stress test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from papergan.config.mode_stress import (
    DIVERGENCE,
    LIKELIHOOD,
    MODES,
    QUALITY,
    ModeResult,
    ModeStressRecipe,
    ModeTrial,
    TargetRecipe,
)
from papergan.metrics.modes import WITHIN, mode_coverage
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import Measure, with_deviation
from papergan.studies.measures import last_value, second_half_mean, seconds_per_step, spread_of_points_loss
from papergan.studies.points.trials import log_likelihood
from papergan.studies.seed_groups import NamedGroup, diverged_levels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

ModeGroup = NamedGroup[ModeTrial, ModeResult]


def summary(groups: Sequence[ModeGroup], mixture_recipe: TargetRecipe, recipe: ModeStressRecipe) -> pd.DataFrame:
    """A row per level; the first row is for samples of the mixture itself, the best possible values."""
    import pandas as pd

    mixture = mixture_recipe.mixture()
    points = mixture.sample(recipe.samples, seed=0)
    real = mode_coverage(points, mixture)
    rows: list[dict[str, str]] = [
        {
            "level": "the mixture itself", f"modes of {mixture_recipe.modes}": str(real.modes),
            "high quality": text(real.high_quality), "divergence": text(real.divergence),
            "log likelihood": text(log_likelihood(points, mixture)),
        }
    ]  # fmt: skip
    fastest = min((found.value for group in groups if (found := group.over(seconds_per_step))), default=0.0)
    for group in groups:
        row = {"level": group.trial.level}
        for label, measure in (
            (f"modes of {mixture_recipe.modes}", last_value(MODES)), ("mean modes", second_half_mean(MODES)),
            ("high quality", last_value(QUALITY)), ("divergence", last_value(DIVERGENCE)),
            ("log likelihood", last_value(LIKELIHOOD)),
            ("D loss spread", spread_of_points_loss),
        ):  # fmt: skip
            row[label] = with_deviation(group.over(measure))
        cost = group.over(seconds_per_step)
        row["time per step"] = f"{cost.value / fastest:.2f}x" if cost and fastest else ""
        row["flags"] = group.flags
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def measures_of(groups: Sequence[ModeGroup]) -> dict[str, list[Measure]]:
    """Measures of the properties that papers ascribe to losses, for groups of one target."""

    def measured(label: str, measure: Callable[[ModeResult], float | None], *, higher: bool) -> Measure:
        values = {group.trial.level: value for group in groups if (value := group.over(measure))}
        return Measure(label, higher, values, diverged_levels(groups))

    return {
        "collapse": [measured("mean modes covered", second_half_mean(MODES), higher=True)],
        "quality": [measured("high quality", last_value(QUALITY), higher=True)],
        "stability": [measured("relative spread of D's loss", spread_of_points_loss, higher=False)],
        "cost": [measured("seconds per step", seconds_per_step, higher=False)],
    }


def trial_table(groups: Sequence[ModeGroup]) -> pd.DataFrame:
    """One row per trial."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "target": group.grid, "level": group.trial.level, "seed": seed, "diverged": result.diverged,
            **result.over_time[-1], "mean_modes": second_half_mean(MODES)(result),
            "loss_spread": spread_of_points_loss(result),
            "seconds_per_step": result.seconds_per_step, **result.provenance,
        }
        for group in groups
        for seed, result in group.done
    ]  # fmt: skip
    return pd.DataFrame(rows)


COLUMNS = 6


def samples(groups: Sequence[ModeGroup], recipe: ModeStressRecipe, title: str) -> Figure:
    """Generated points over the mode centres, a panel per target and level; for the first seed that finished.

    A circle marks what counts as near its mode.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    shown = [group for group in groups if group.results]
    columns = min(COLUMNS, len(shown)) or 1
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(max(4.4, 2.2 * columns), 2.4 * rows), layout="constrained")
    figure.suptitle(title)
    for place, group in enumerate(shown, 1):
        axes = figure.add_subplot(rows, columns, place)
        mixture = recipe.targets[group.grid].mixture()
        limit = 1.25 * float(mixture.centres.abs().max())
        for x, y in mixture.centres.tolist():
            axes.add_patch(Circle((x, y), WITHIN * mixture.deviation, fill=False, edgecolor="tab:red", linewidth=0.6))
        if found := group.first_ended:
            points = found[1].points
            axes.scatter([x for x, _ in points], [y for _, y in points], s=1.5, color="tab:blue", alpha=0.5)
        else:
            axes.text(0, 0, "diverged", ha="center", va="center")
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=(), yticks=(), aspect="equal")
        axes.set_title(f"{group.grid}, {group.trial.level}", fontsize="xx-small")
    return figure


def modes(groups: Sequence[ModeGroup], recipe: ModeStressRecipe, title: str) -> Figure:
    """The mean over seeds of the number of modes covered, a panel per target with results, a line per level."""
    from matplotlib.figure import Figure

    targets = [name for name in recipe.targets if any(group.grid == name and group.results for group in groups)]
    figure = Figure(figsize=(6.5 * max(1, len(targets)) + 2, 5), layout="constrained")
    lines: dict[str, Artist] = {}
    figure.suptitle(title)
    for column, target in enumerate(targets, 1):
        axes, most = figure.add_subplot(1, len(targets), column), recipe.targets[target].modes
        target_groups = [group for group in groups if group.grid == target]
        for place, group in enumerate(target_groups):
            if not group.results:
                continue  # its colour is not used by another group
            shortest = min((result.over_time for result in group.results), key=len)
            means = [fmean(result.over_time[row][MODES] for result in group.results) for row in range(len(shortest))]
            style = ("-", "--", ":")[place // 10 % 3]
            steps = [row["step"] for row in shortest]
            (lines[group.trial.level],) = axes.plot(steps, means, style, color=f"C{place % 10}")
        axes.axhline(most, color="0.6", linewidth=0.6)
        axes.set(title=target, xlabel="step", ylabel=f"modes covered, of {most}")
        axes.grid(alpha=0.3)
    figure.legend(lines.values(), lines, fontsize="x-small", loc="outside right center")
    return figure
