"""The stress test's numbers, level by level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from operator import gt
from statistics import fmean
from typing import TYPE_CHECKING, Any

from papergan.config.mode_stress import (
    DIVERGENCE,
    LIKELIHOOD,
    MODES,
    QUALITY,
    ClaimRecipe,
    StressCell,
    StressRecipe,
    StressResult,
    TargetRecipe,
)
from papergan.datasets.mode_stress_results import StressStore
from papergan.metrics.modes import mode_coverage
from papergan.metrics.stability import late_spread
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import UNENDED, Gauge, verdict, with_deviation
from papergan.reporting.seed_groups import Measured, mean_over
from papergan.studies.claims import counted
from papergan.studies.mode_stress_trial import log_likelihood

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class StressGroup:
    """Cells that differ by their seed alone. results: of those that are done, by seed; missing: seeds that are not."""

    target: str
    level: str
    results: tuple[StressResult, ...]
    seeds: tuple[int, ...]
    missing: tuple[int, ...]

    @property
    def settled(self) -> bool:
        """Whether a seed came to an end, or none can any more."""
        return any(result.diverged is None for result in self.results) or not self.missing

    def over(self, measure: Callable[[StressResult], float | None]) -> Measured | None:
        """Mean and deviation (N - 1) of a measure over the seeds that came to an end."""
        return mean_over(measure(result) for result in self.results if result.diverged is None)


def groups_of(cells: Sequence[StressCell], store: StressStore) -> list[StressGroup]:
    """In the order of the cells."""
    together: dict[tuple[str, str], list[tuple[int, StressResult | None]]] = {}
    for cell in cells:
        together.setdefault((cell.target, cell.level), []).append((cell.seed, store.find(cell.key)))
    groups = []
    for (target, level), found in together.items():
        done = [(seed, result) for seed, result in found if result is not None]
        missing = tuple(seed for seed, result in found if result is None)
        seeds, results = tuple(seed for seed, _ in done), tuple(result for _, result in done)
        groups.append(StressGroup(target, level, results, seeds, missing))
    return groups


def last(name: str) -> Callable[[StressResult], float]:
    """A count after the last step."""
    return lambda result: result.over_time[-1][name]


def late(name: str) -> Callable[[StressResult], float]:
    """Its mean over the second half of training: what oscillates is not judged by one moment."""
    return lambda result: fmean(row[name] for row in result.over_time[len(result.over_time) // 2 :])


def spread_of_loss(result: StressResult) -> float | None:
    """The deviation of D's loss over the second half of training, over the range of all of it."""
    return late_spread([sum(v for name, v in row.items() if _is_loss(name)) for row in result.losses], relative=True)


def _is_loss(name: str) -> bool:
    return name.startswith("discriminator.") and not name.endswith("gradient_norm")


def seconds_per_step(result: StressResult) -> float:
    """Of training alone."""
    return result.seconds_per_step


def summary(groups: Sequence[StressGroup], how: TargetRecipe, recipe: StressRecipe) -> pd.DataFrame:
    """A row per level, below one of the mixture's own samples, which is what can be reached."""
    import pandas as pd

    mixture = how.mixture()
    points = mixture.sample(recipe.samples, seed=0)
    real = mode_coverage(points, mixture)
    rows: list[dict[str, str]] = [
        {
            "level": "the mixture itself", f"modes of {how.modes}": str(real.modes),
            "high quality": text(real.high_quality), "divergence": text(real.divergence),
            "log likelihood": text(log_likelihood(points, mixture)),
        }
    ]  # fmt: skip
    fastest = min((found.value for group in groups if (found := group.over(seconds_per_step))), default=0.0)
    for group in groups:
        row = {"level": group.level}
        for label, measure in (
            (f"modes of {how.modes}", last(MODES)), ("mean modes", late(MODES)), ("high quality", last(QUALITY)),
            ("divergence", last(DIVERGENCE)), ("log likelihood", last(LIKELIHOOD)), ("D loss spread", spread_of_loss),
        ):  # fmt: skip
            row[label] = with_deviation(group.over(measure))
        cost = group.over(seconds_per_step)
        row["time per step"] = f"{cost.value / fastest:.2f}x" if cost and fastest else ""
        row["flags"] = "; ".join(
            f"seed {seed}: {result.diverged}"
            for seed, result in zip(group.seeds, group.results, strict=True)
            if result.diverged
        )
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def gauges_of(groups: Sequence[StressGroup]) -> dict[str, list[Gauge]]:
    """What measures the properties that papers ascribe to losses; of groups of one target."""

    def gauge(label: str, measure: Callable[[StressResult], float | None], *, higher: bool) -> Gauge:
        return Gauge(label, higher, {group.level: value for group in groups if (value := group.over(measure))})

    return {
        "collapse": [gauge("mean modes covered", late(MODES), higher=True)],
        "quality": [gauge("high quality", last(QUALITY), higher=True)],
        "stability": [gauge("relative spread of D's loss", spread_of_loss, higher=False)],
        "cost": [gauge("seconds per step", seconds_per_step, higher=False)],
    }


def sentences(claims: Sequence[ClaimRecipe], groups: Sequence[StressGroup]) -> Iterator[str]:
    """For each claim one sentence: by the mean number of modes covered, in how many comparisons it held."""
    values = {group.level: group.over(late(MODES)) for group in groups if group.settled}
    for claim in claims:
        pairs = [
            (values[one], values[other])
            for one, other in product(claim.of, claim.against)
            if {one, other} <= set(values)
        ]
        verdicts = Counter(verdict(one, other, gt) if one and other else UNENDED for one, other in pairs)
        if verdicts:
            yield f"{claim.claim}: by modes covered {counted(verdicts)}"


def every_cell(groups: Sequence[StressGroup]) -> pd.DataFrame:
    """One row per cell."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "target": group.target, "level": group.level, "seed": seed, "diverged": result.diverged,
            **result.over_time[-1], "mean_modes": late(MODES)(result), "loss_spread": spread_of_loss(result),
            "seconds_per_step": result.seconds_per_step, **result.provenance,
        }
        for group in groups
        for seed, result in zip(group.seeds, group.results, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)
