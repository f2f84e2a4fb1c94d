"""What the README tells people to type is true."""

from __future__ import annotations

import re

import pytest
from kedro.framework.cli.utils import _split_params

from helpers.project_run import EXPERIMENT, PROJECT
from papergan.config.evaluation import ImagesSettings
from papergan.config.experiment import Recipe
from papergan.config.registry import PARAMETERS, TOOL_PARAMETERS, TOOLS, discover, studies
from papergan.metrics.registry import DISCRIMINATOR_METRICS, METRICS

README = (PROJECT / "README.md").read_text()
SWITCHES = re.findall(r"^\| [^|]+ \| `(\w+=[\w.]+)`", README, re.MULTILINE)
LONG = re.findall(r'--params "?([^"`\s]+)', README)


def base_recipe() -> dict:
    import yaml

    return yaml.safe_load((PARAMETERS / "tahvili2025.yml").read_text())[EXPERIMENT]


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


@pytest.mark.parametrize("params", [params for params in LONG if EXPERIMENT in params])
def test_params_are_valid(params):
    recipe_with(params.replace("<file>", "weights.pth"))


@pytest.mark.parametrize("params", [params for params in LONG if EXPERIMENT not in params])
def test_params_of_tools_are_valid(params):
    given = _split_params(None, None, params)
    assert set(given) <= set(TOOL_PARAMETERS)
    ImagesSettings.parse("evaluate_images", given.get("evaluate_images", {}))


def test_settings_of_evaluate_images_that_are_named_exist():
    named = re.findall(r"`evaluate_images\.(\w+)=", README)
    assert named
    assert set(named) <= set(ImagesSettings.model_fields)


def test_metrics_that_are_named_exist():
    table = README.split("| metric | what it sees")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([\w*]+)`", row.split("|")[1])}
    known = {*METRICS, *DISCRIMINATOR_METRICS}
    assert {name for name in named if "*" not in name} <= known
    shown = {name for name in known if any(re.fullmatch(pattern.replace("*", ".*"), name) for pattern in named)}
    assert known - shown == {"parzen_ll_historical"}  # for toys; no recipe asks for it


def test_every_experiment_is_named():
    assert not [name for name in (*discover(), *studies(), *TOOLS) if f"`{name}`" not in README]
