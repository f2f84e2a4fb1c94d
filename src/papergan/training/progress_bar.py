"""The progress bar of training: a bar on a terminal, a log line every minute elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Self

from tqdm import tqdm

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0


class ProgressBar:
    """The progress of a run of `steps` steps, of which `done` were done before."""

    def __init__(self, steps: int, done: int) -> None:
        self.steps = steps
        self._bar = tqdm(total=steps, initial=done, unit="step", disable=None, dynamic_ncols=True)
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

    def report(self, row: Mapping[str, float], seconds_per_step: float) -> None:
        """Show the losses of a report. row: as in the history."""
        shown = {name.split(".")[0]: f"{row[name]:.3f}" for name in row if name.endswith("_loss")}
        shown["img/s"] = f"{row['images_per_second']:.0f}"
        self._bar.set_postfix(shown, refresh=False)
        if self._bar.disable and time.monotonic() - self._logged_at >= SECONDS_BETWEEN_LINES:
            self._logged_at = time.monotonic()
            step = int(row["step"])
            left = timedelta(seconds=round(seconds_per_step * (self.steps - step)))
            facts = ", ".join(f"{name} {value}" for name, value in shown.items())
            logger.info("Step %d of %d: %s; about %s of training left", step, self.steps, facts, left)
