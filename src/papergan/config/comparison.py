"""Settings of the comparison table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from papergan.evaluation.scorecard import ScoreCard
from papergan.validation import StrictModel


class ComparisonSettings(StrictModel):
    """Which runs stand in the table; all of them by default.

    leave_out: names of experiments, and the first digits of recipes as the column `recipe` has them. newest_only: of
    each experiment and data set only the run that was scored last.
    """

    leave_out: Annotated[tuple[Annotated[str, Field(min_length=4)], ...], Field(strict=False)] = ()
    newest_only: bool = False

    def leaves_out(self, card: ScoreCard) -> bool:
        """Whether `leave_out` names this card's experiment or recipe."""
        return any(name == card.experiment or card.variant.startswith(name) for name in self.leave_out)
