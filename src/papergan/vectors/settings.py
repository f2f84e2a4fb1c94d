"""Settings of vectors; a strict model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from papergan.validation import SampleCount, Seed, StrictModel

Shape = Literal["swiss_roll", "two_moons"]
LEAST_ROWS = 20  # of a split, so that each row has neighbours for the scores


class VectorData(StrictModel):
    """Vectors, drawn or from a table. drawn: their shape, with train and test rows. noise: the deviation added to each.

    table: a CSV or Parquet file instead of drawn vectors. columns: those to use; () = all that hold numbers.
    held_out: the share of its rows that is the test split, drawn with `seed` and never trained on.
    """

    drawn: Shape = "swiss_roll"
    train: Annotated[SampleCount, Field(ge=LEAST_ROWS)] = 20_000
    test: Annotated[SampleCount, Field(ge=LEAST_ROWS)] = 5_000
    noise: Annotated[float, Field(ge=0.0, le=100.0)] = 0.1
    table: Annotated[str, Field(min_length=1)] | None = None
    columns: Annotated[tuple[str, ...], Field(strict=False)] = ()
    held_out: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    seed: Annotated[Seed, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.columns and self.table is None:
            raise ValueError("columns: of a table alone; drawn vectors have their own")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns: each once, got {', '.join(self.columns)}")
        return self
