"""Published numbers compared with measured ones, with verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from papergan.reporting.pages import plus_minus, text
from papergan.reporting.published_results import PublishedNumber

if TYPE_CHECKING:
    import pandas as pd

REPRODUCED = "reproduced"
WIDE = 0.5  # largest share of the published value for twice the joint error at which agreement means something


@dataclass(frozen=True)
class MeasuredRun:
    """Numbers of one run. values: by metric. errors: standard errors of some metrics, for example over test images.

    minutes: of training, if anything was trained. made_by: hardware, versions, commit. diverged: then it has no final
    values.
    """

    seed: int
    values: Mapping[str, float]
    errors: Mapping[str, float]
    minutes: float | None
    made_by: str
    diverged: bool = False


@dataclass(frozen=True)
class Reproduction:
    """A published number and the runs that measure it; runs without its metric do not count.

    diverged: seeds that diverged before there was a value; the mean is of the others, and the verdict says so.
    """

    published: PublishedNumber
    runs: tuple[MeasuredRun, ...]
    diverged: tuple[int, ...] = ()

    @property
    def value(self) -> float | None:
        """The mean over runs; None if there are none."""
        return fmean(self._values) if self.runs else None

    @property
    def error(self) -> float | None:
        """The standard error of the mean over runs; for a single run its own error, if it has one."""
        if len(self.runs) > 1:
            return stdev(self._values) / sqrt(len(self.runs))
        return next((run.errors[self._metric] for run in self.runs if self._metric in run.errors), None)

    @property
    def joint_error(self) -> float:
        """sqrt(published error^2 + measured error^2); differences by chance are up to twice this in 95 of 100 cases.

        The error of a mean over n runs is multiplied by t / 2, where t is the 97.5 % quantile of Student's distribution
        with n - 1 degrees of freedom: 2.15 for three runs, 6.35 for two. If one run of ours is compared with a mean
        over n published runs, its error is theirs times sqrt(n). An unknown error counts as 0.
        """
        error, runs = self.published.error or 0.0, self.published.runs
        theirs = error * _widened(runs)
        if len(self.runs) > 1:
            return hypot(theirs, (self.error or 0.0) * _widened(len(self.runs)))
        return hypot(theirs, theirs * sqrt(runs) if runs else self.error or 0.0)

    @property
    def one_seed(self) -> bool:
        """Whether the number was measured by a single training, with its variation over seeds unknown."""
        return len(self.runs) == 1 and self.runs[0].minutes is not None and self.published.runs is None

    @property
    def agrees(self) -> bool | None:
        """Whether measured and published agree within twice the joint error and the printed precision."""
        if self.value is None:
            return None
        return abs(self.value - self.published.value) <= 2 * self.joint_error + self.published.precision

    @property
    def verdict(self) -> str:
        """reproduced: they agree; inconclusive: they agree, with large errors; not reproduced.

        Notes if by one seed, and how many seeds diverged.
        """
        if self.value is None:
            return "not reproduced: diverged" if self.diverged else "not measured"
        if self.agrees:
            too_wide = 2 * self.joint_error > WIDE * abs(self.published.value)
            found = "inconclusive" if too_wide else REPRODUCED
        else:
            found = f"not reproduced: {'above' if self.value > self.published.value else 'below'}"
        found += ", by one seed" if self.one_seed else ""
        lost = len(self.diverged)
        return f"{found}; {lost} of {lost + len(self.runs)} seeds diverged" if lost else found

    @property
    def _metric(self) -> str:
        return self.published.metric

    @property
    def _values(self) -> list[float]:
        return [run.values[self._metric] for run in self.runs]


def _widened(runs: int | None) -> float:
    """The factor on the error of a mean over runs that makes twice the error its 95 % interval; None: 1."""
    from scipy.stats import t  # type: ignore[import-untyped]

    return float(t.ppf(0.975, runs - 1)) / 2 if runs else 1.0


def reproductions(
    numbers: Iterable[PublishedNumber], runs: Mapping[str, Sequence[MeasuredRun]]
) -> tuple[Reproduction, ...]:
    """Join numbers with runs. runs: by what measured them, see `PublishedNumber.measured_by`."""
    return tuple(_joined(one, runs.get(one.measured_by, ())) for one in numbers)


def _joined(published: PublishedNumber, runs: Sequence[MeasuredRun]) -> Reproduction:
    with_value = tuple(run for run in runs if published.metric in run.values)
    lost = tuple(run.seed for run in runs if run.diverged and published.metric not in run.values)
    return Reproduction(published, with_value, lost)


def summary(found: Sequence[Reproduction]) -> str:
    """One sentence: how many numbers of how many papers were measured, and how many were reproduced."""
    measured = [one for one in found if one.runs]
    same = [one for one in measured if one.verdict.startswith(REPRODUCED)]
    papers = {one.published.paper for one in measured}
    return (
        f"{len(measured)} of {len(found)} published numbers measured, of {len(papers)} papers; "
        f"{len(same)} reproduced, of {len({one.published.paper for one in same})} papers"
    )


def reproduction_table(
    found: Sequence[Reproduction], cite: Mapping[str, str], command: Mapping[str, str]
) -> pd.DataFrame:
    """One row per published number. cite: short names by citation key. command: by what measures a number."""
    import pandas as pd

    return pd.DataFrame([_row(one, cite, command) for one in found])


def _row(one: Reproduction, cite: Mapping[str, str], command: Mapping[str, str]) -> dict[str, Any]:
    published, minutes = one.published, [run.minutes for run in one.runs if run.minutes is not None]
    return {
        "paper": cite[published.paper],
        "number": f"{published.number} ({published.place})",
        "published": plus_minus(published.value, published.error),
        "measured": plus_minus(one.value, one.error),
        "seeds": ", ".join([*(str(run.seed) for run in one.runs), *(f"{seed} diverged" for seed in one.diverged)]),
        "verdict": one.verdict,
        "minutes": text(fmean(minutes)) if minutes else "",
        "command": command[published.measured_by],
        "protocol": published.protocol,
        "what differs": published.differs,
    }


def run_table(found: Sequence[Reproduction]) -> pd.DataFrame:
    """One row per number and run, for further analysis."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "paper": one.published.paper, "number": one.published.number, "published": one.published.value,
                "published_error": one.published.error, "measured_by": one.published.measured_by,
                "metric": one.published.metric, "seed": run.seed, "value": run.values[one.published.metric],
                "minutes": run.minutes, "made_by": run.made_by,
            }
            for one in found
            for run in one.runs
        ]
    )  # fmt: skip
