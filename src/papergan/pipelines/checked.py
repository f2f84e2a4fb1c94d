"""The recipe as nodes get it."""

from __future__ import annotations

from typing import NamedTuple

from papergan.recipe import Recipe


class Experiment(NamedTuple):
    """A recipe that the gate in `papergan.hooks` has let pass, under its name.

    Not the bare Recipe: Kedro would then validate parameters itself, from the annotation, and report a misspelt key in
    many lines without close matches.
    """

    name: str
    recipe: Recipe
