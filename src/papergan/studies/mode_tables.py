"""Tables of the mode stress test: a row per level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from papergan.config.mode_stress import (
    DIVERGENCE,
    LIKELIHOOD,
    MODES,
    QUALITY,
    ModeResult,
    ModeStressRecipe,
    TargetRecipe,
)
from papergan.metrics.modes import mode_coverage
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import Measure, with_deviation
from papergan.studies.measures import last_value, second_half_mean, seconds_per_step, spread_of_points_loss
from papergan.studies.mode_trials import log_likelihood
from papergan.studies.seed_groups import ModeGroup

if TYPE_CHECKING:
    import pandas as pd


def summary(groups: Sequence[ModeGroup], mixture_recipe: TargetRecipe, recipe: ModeStressRecipe) -> pd.DataFrame:
    """A row per level, below one of samples of the mixture itself, the best possible values."""
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
        diverged = [f"seed {seed}: {result.diverged}" for seed, result in group.done if result.diverged]
        row["flags"] = "; ".join([*diverged, *group.unfinished])
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def measures_of(groups: Sequence[ModeGroup]) -> dict[str, list[Measure]]:
    """Measures of the properties that papers ascribe to losses; of groups of one target."""

    def measured(label: str, measure: Callable[[ModeResult], float | None], *, higher: bool) -> Measure:
        return Measure(label, higher, {group.trial.level: value for group in groups if (value := group.over(measure))})

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
