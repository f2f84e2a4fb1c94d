"""Recipes as nodes get them: checked by the gate in `papergan.hooks`.

Not the bare models: Kedro would then validate parameters itself, from the annotation, and report a misspelt key in many
lines without close matches.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from papergan.config.evaluation import ImagesSettings, SanitySettings
from papergan.config.experiment import Recipe
from papergan.config.mode_stress import StressCell, StressRecipe
from papergan.config.study import Cell, SearchRecipe, StudyRecipe


class Experiment(NamedTuple):
    """A recipe under its name."""

    name: str
    recipe: Recipe


class Study(NamedTuple):
    """A study under its name, and every cell of it."""

    name: str
    recipe: StudyRecipe
    cells: tuple[Cell, ...]


class Search(NamedTuple):
    """A search under its name, and every candidate of each experiment in the order in which they are tried."""

    name: str
    recipe: SearchRecipe
    cells: tuple[Cell, ...]


class Stress(NamedTuple):
    """A stress test under its name, and every cell of it."""

    name: str
    recipe: StressRecipe
    cells: tuple[StressCell, ...]


class Sanity(NamedTuple):
    """What to look at for the sanity page."""

    recipe: SanitySettings


class Images(NamedTuple):
    """Which images to hold against which: folders or files that exist."""

    recipe: ImagesSettings
    real: Path
    fake: Path
    held_out: Path | None
