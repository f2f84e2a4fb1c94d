"""The base class of trackers, to which training reports, and the trackers and MLflow runs of this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papergan.evaluation.scorecard import ScoreCard
    from papergan.reporting.image_grid import ImageGrid


class Tracker:
    """A tracker that records nothing; `MlflowTracker` writes to MLflow."""

    def report(self, row: Mapping[str, float]) -> None:
        """Log a row of numbers at `row["step"]`."""

    def replay(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Log rows that an earlier process reported, for a run that is being resumed."""

    def picture(self, grid: ImageGrid, step: int) -> None:
        """Log samples at `step`."""

    def scores(self, card: ScoreCard) -> None:
        """Log the final scores and their rules."""

    @contextmanager
    def nested(
        self, name: str, parameters: Mapping[str, object], tags: Mapping[str, str], *, began: float | None = None
    ) -> Iterator[Tracker]:
        """The tracker of one trial of a study, for the block that trains it. parameters, tags: of its run.

        began: seconds since the epoch, if the trial was already trained elsewhere; None = now.
        """
        yield Tracker()


active_trackers: dict[str, Tracker] = {}
"""The tracker of every open MLflow run, by experiment or study."""
run_places: dict[str, tuple[str, str]] = {}
"""MLflow experiment and run by experiment or study, of all that began with the command that runs."""
