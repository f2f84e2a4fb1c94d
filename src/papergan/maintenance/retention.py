"""What people may ask to be kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from papergan.validation import MAX_COUNT, Positive, StrictModel


class RetentionRecipe(StrictModel):
    """What `kedro clean` leaves in place, beside everything that the comparison, a pointer or a resumed run needs.

    versions: the newest of every versioned output. pictures: sample grids that MLflow keeps of a run, the first and the
    last among them. checkpoints: of all runs, or of unfinished ones only.
    """

    versions: Positive = 3
    pictures: Annotated[int, Field(ge=2, le=MAX_COUNT)] = 50
    checkpoints: Literal["all", "unfinished"] = "all"
