"""What the training node tells, and to nobody in particular."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from papergan.data.grid import ImageGrid


class Tracker:
    """Listens and keeps nothing. `MlflowTracker` keeps everything."""

    def report(self, row: Mapping[str, float]) -> None:
        """A row of numbers; `row["step"]` says when."""

    def replay(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Rows of an earlier process, of the run that is being resumed."""

    def picture(self, grid: ImageGrid, step: int) -> None:
        """Samples at `step`."""
