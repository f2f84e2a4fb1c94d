"""Recipes as nodes get them: checked by the gate in `papergan.hooks`.

Not the bare models: Kedro would then validate parameters itself, from the annotation, and report a misspelt key in many
lines without close matches.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from papergan.measuring import ImagesRecipe, SanityRecipe
from papergan.recipe import Recipe


class Experiment(NamedTuple):
    """A recipe under its name."""

    name: str
    recipe: Recipe


class Sanity(NamedTuple):
    """What to look at for the sanity page."""

    recipe: SanityRecipe


class Images(NamedTuple):
    """Which images to hold against which: folders or files that exist."""

    recipe: ImagesRecipe
    real: Path
    fake: Path
    held_out: Path | None
