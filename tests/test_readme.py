"""What the README and the pages of docs/ tell people to type is true, and their links lead somewhere."""

from __future__ import annotations

import re

import pytest
from kedro.framework.cli.utils import _split_params

from helpers.project_run import EXPERIMENT, PROJECT
from papergan.command_line import main
from papergan.config.evaluation import ImagesSettings
from papergan.config.experiment import Recipe
from papergan.config.registry import PARAMETERS, TOOL_PARAMETERS, TOOLS, discover, studies
from papergan.metrics.registry import DISCRIMINATOR_METRICS, METRICS

README = (PROJECT / "README.md").read_text()
PAGES = {path.name: path.read_text() for path in sorted((PROJECT / "docs").glob("*.md"))}
TYPED = "\n".join([README, PAGES["running.md"], PAGES["metrics.md"]])
SWITCHES = re.findall(r"^\| [^|]+ \| `(\w+=[\w.]+)`", README, re.MULTILINE)
LONG = re.findall(r'--params "?([^"`\s]+)', TYPED)


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
    assert set(given) <= {*TOOL_PARAMETERS, *discover(), *studies()}
    assert all(set(given[name]) <= set(Recipe.model_fields) for name in given if name in discover())
    ImagesSettings.parse("evaluate_images", given.get("evaluate_images", {}))


def test_settings_of_evaluate_images_that_are_named_exist():
    named = re.findall(r"`evaluate_images\.(\w+)=", PAGES["metrics.md"])
    assert named
    assert set(named) <= set(ImagesSettings.model_fields)


def test_metrics_that_are_named_exist():
    table = PAGES["metrics.md"].split("| metric | what it sees")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([\w*]+)`", row.split("|")[1])}
    known = {*METRICS, *DISCRIMINATOR_METRICS}
    assert {name for name in named if "*" not in name} <= known
    shown = {name for name in known if any(re.fullmatch(pattern.replace("*", ".*"), name) for pattern in named)}
    assert known == shown


def test_every_experiment_is_named():
    assert not [name for name in (*discover(), *studies(), *TOOLS) if f"`{name}`" not in PAGES["pipelines.md"]]


def test_the_first_page_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{name}" for name in PAGES)])
def test_links_lead_somewhere(page):
    text = (PROJECT / page).read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for link in links:
        place, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (PROJECT / page).parent / place if place else PROJECT / page
        assert target.exists(), f"{page}: {link}"
        headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert not anchor or anchor in slugs, f"{page}: {link}"


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_models_are_loaded_from_places_that_load_knows(page):
    places = re.findall(r"""papergan\.load\(["']([^"']+)["']""", (PROJECT / page).read_text())
    assert not [one for one in places if not one.startswith(("data/06_models/", "models:/", "runs:/", "hf://"))]


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_commands_of_papergan_exist(page):
    text = (PROJECT / page).read_text()
    commands = re.findall(r"^papergan (\w+)|`papergan (\w+)", text, re.MULTILINE)
    assert {one or other for one, other in commands} <= set(main.commands)
