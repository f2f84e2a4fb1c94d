"""Settings of a grid of trials, and the names that its factors cannot have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from papergan.messages import quoted
from papergan.metrics.registry import is_score
from papergan.validation import StrictModel

Names = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]  # YAML: a list
Tree = dict[str, Any]  # part of a recipe, as in YAML
COLUMNS = frozenset({
    "row", "grid", "experiment", "seed", "seeds", "dataset", "recipe", "data", "commit", "hardware", "diverged",
    "pruned", "epochs", "steps", "images seen", "images_seen", "training s", "training_seconds", "sampling ms",
    "sampling_seconds", "time", "sampling", "D accuracy", "membership AUC", "D loss spread", "checkerboard", "flags",
    "note",
})  # fmt: skip
"""Columns of a study's tables (`papergan.studies.tables`) that are not scores; each factor has its own column there."""


class GridRecipe(StrictModel):
    """A grid of trials: experiments x all combinations of levels. factors: `{factor: {level: part of a recipe}}`.

    A factor cannot have the name of a score, or of another column of the tables.
    """

    experiments: Names
    factors: dict[str, dict[str, Tree]] = Field(default_factory=dict)

    @field_validator("factors")
    @classmethod
    def _have_columns_of_their_own(cls, factors: dict[str, dict[str, Tree]]) -> dict[str, dict[str, Tree]]:
        if taken := [name for name in factors if name in COLUMNS or is_score(name)]:
            raise ValueError(
                f"tables have another column {' and '.join(map(quoted, taken))}; give the factor another name"
            )
        return factors
