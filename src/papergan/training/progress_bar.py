"""Display of training progress: a bar on a terminal, otherwise a log line every half minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

from tqdm import tqdm

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0


class ProgressBar:
    """The progress of `steps` steps, of which `done` were done before. what: name of the work. unit: name of a step."""

    def __init__(self, steps: int, done: int, what: str = "training", unit: str = "step") -> None:
        self.steps, self.what, self.unit = steps, what, unit
        self._bar = tqdm(total=steps, initial=done, desc=what, unit=unit, disable=None, dynamic_ncols=True)
        self._logged_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def step(self) -> None:
        """Advance by one step."""
        self._bar.update()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the bar inside the block, so that log lines and other bars have their own line."""
        self._bar.clear()
        yield
        self._bar.refresh()

    def report(self, row: Mapping[str, float], seconds_per_step: float) -> None:
        """Show the losses of a report, and the state of networks that follow the progress. row: as in the history."""
        shown = {name.split(".")[0]: f"{row[name]:.3f}" for name in row if name.endswith("_loss")}
        shown |= {name.split(".")[1]: f"{row[name]:.4g}" for name in row if name.startswith("networks.")}
        shown["img/s"] = f"{row['images_per_second']:.0f}"
        self.show(int(row["step"]), seconds_per_step, shown)

    def show(self, step: int, seconds_per_step: float, facts: Mapping[str, str] | None = None) -> None:
        """Show facts next to the bar; without a bar, log them with the time left, at most every half minute."""
        if facts:
            self._bar.set_postfix(facts, refresh=False)
        if self._bar.disable and time.monotonic() - self._logged_at >= SECONDS_BETWEEN_LINES:
            self._logged_at = time.monotonic()
            left = timedelta(seconds=round(seconds_per_step * (self.steps - step)))
            shown = "".join(f", {name} {value}" for name, value in (facts or {}).items())
            logger.info("%s: %s %d of %d%s; about %s left", self.what, self.unit, step, self.steps, shown, left)
