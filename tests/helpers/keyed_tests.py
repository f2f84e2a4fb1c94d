"""Which tests are keyed to a system: its name, or that of a game or an experiment of it, is a parameter of theirs."""

from __future__ import annotations

import pytest
import yaml

from helpers.small_systems import VARIANTS
from helpers.two_ranks import SPECIAL
from papergan import systems
from papergan.config.registry import PARAMETERS


def keys_of(system: str) -> set[str]:
    """The system, what two ranks play of it under another name, and its experiments.

    Raises pytest.UsageError where there is no such system.
    """
    if system not in systems.names():
        raise pytest.UsageError(f"unknown system {system!r}; there are {', '.join(systems.names())}")
    games = {game for game, (name, _) in (SPECIAL | VARIANTS).items() if name == system and game != name}
    recipes = {
        name: recipe for path in PARAMETERS.glob("*.yml") for name, recipe in yaml.safe_load(path.read_text()).items()
    }
    return {system} | games | {name for name, recipe in recipes.items() if recipe.get("system") == system}


def parameters_of(item: pytest.Item) -> set[str]:
    """Every parameter of a test that is text."""
    callspec = getattr(item, "callspec", None)
    return {one for one in callspec.params.values() if isinstance(one, str)} if callspec is not None else set()
