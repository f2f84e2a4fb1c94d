"""What the training node tells, and to nobody in particular."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papergan.evaluation.scorecard import ScoreCard
    from papergan.reporting.image_grid import ImageGrid


class Tracker:
    """Listens and keeps nothing. `MlflowTracker` keeps everything."""

    def report(self, row: Mapping[str, float]) -> None:
        """A row of numbers; `row["step"]` says when."""

    def replay(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Rows of an earlier process, of the run that is being resumed."""

    def picture(self, grid: ImageGrid, step: int) -> None:
        """Samples at `step`."""

    def scores(self, card: ScoreCard) -> None:
        """The final scores, and the rules they were measured under."""

    @contextmanager
    def nested(self, name: str, parameters: Mapping[str, object], tags: Mapping[str, str]) -> Iterator[Tracker]:
        """Somebody to tell of one cell of a study, inside of which it is played. parameters, tags: its."""
        yield Tracker()
