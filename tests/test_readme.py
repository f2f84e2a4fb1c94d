"""What the README tells people to type is true."""

from __future__ import annotations

import re

import pytest
from kedro.framework.cli.utils import _split_params

from papergan.experiments import PARAMETERS, discover
from papergan.recipe import Recipe
from project_run import EXPERIMENT, PROJECT

README = (PROJECT / "README.md").read_text()
SWITCHES = re.findall(r"^\| [^|]+ \| `(\w+=[\w.]+)`", README, re.MULTILINE)
LONG = re.findall(r'--params "?([^"`\s]+)', README)


def base_recipe() -> dict:
    import yaml

    return yaml.safe_load((PARAMETERS / "document_000.yml").read_text())[EXPERIMENT]


def recipe_with(params: str) -> Recipe:
    """As Kedro merges --params into a recipe."""
    given = base_recipe()
    for section, changes in _split_params(None, None, params)[EXPERIMENT].items():
        given[section] = {**given.get(section, {}), **changes} if isinstance(changes, dict) else changes
    return Recipe.parse(EXPERIMENT, given)


def test_there_is_a_switch_for_every_component():
    assert len(SWITCHES) == 8


@pytest.mark.parametrize("switch", SWITCHES)
def test_switches_reach_the_recipe(switch):
    assert (
        recipe_with(f"{EXPERIMENT}.overrides.{switch}").fingerprint
        != Recipe.parse(EXPERIMENT, base_recipe()).fingerprint
    )


@pytest.mark.parametrize("params", LONG)
def test_params_are_valid(params):
    recipe_with(params.replace("<file>", "weights.pth"))


def test_every_experiment_is_named():
    assert not [name for name in discover() if f"`{name}`" not in README]
