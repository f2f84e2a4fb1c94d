"""Tables of recipes, studies, tools and systems, made from the configuration and from docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from papergan.config import registry
from papergan.config.experiment import Recipe
from papergan.config.papers import find_paper

Row = tuple[str, ...]


def recipes(root: Path) -> str:
    """A table of recipes for each paper."""
    base = root / "conf" / "base"
    lines = [
        "# Recipes",
        "",
        "One recipe is one experiment and one pipeline: `kedro run --pipelines NAME`. This page is made from the",
        "configuration when the site is built. Settings are those by which a recipe differs from the defaults of its",
        "[system](systems.md); what each paper is about: [pipelines](../docs/pipelines.md).",
        "",
    ]
    by_paper: dict[str, list[Row]] = {}
    for path in sorted((base / "parameters").glob("*.yml")):
        for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            recipe = Recipe.parse(name, entry)
            by_paper.setdefault(recipe.paper, []).append(_recipe_row(name, recipe))
    order = list(dict.fromkeys(entry.paper for entry in registry.discover(base / "parameters").values()))
    for key in order:
        head = ("recipe", "what, and its settings", "system", "data set", "budget")
        lines += [f"## {_cited(key)}", "", *_table(head, by_paper[key]), ""]
    return "\n".join([*lines, _interpolated(root, by_paper)])


def _recipe_row(name: str, recipe: Recipe) -> Row:
    budget = recipe.training
    amounts = ((budget.epochs, "epochs"), (budget.steps, "steps"), (budget.images, "images"))
    amount = ", ".join(f"{value:,.12g} {unit}".replace(",", " ") for value, unit in amounts if value is not None)
    data = recipe.dataset.strip("${}:")
    some = f", {recipe.train_limit} images" if recipe.train_limit else ""
    size = f", {recipe.image_size} px" if recipe.image_size else ""
    settings = ", ".join(f"`{key}={value}`" for key, value in recipe.overrides.items())
    what = f"{recipe.description}<br>{settings}" if settings else recipe.description
    system = f"[{recipe.system}](systems.md#{recipe.system})"
    return f"`{name}`", what, system, f"{data}{some}{size}", f"{amount}, batch {budget.batch_size}"


def _interpolated(root: Path, by_paper: Mapping[str, list[Row]]) -> str:
    """What data sets are that the configuration leaves to the machine, as the functions of the settings say."""
    tree = ast.parse((root / "src" / "papergan" / "settings.py").read_text(encoding="utf-8"))
    said = {node.name: ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    used = sorted({row[3].split(",")[0] for rows in by_paper.values() for row in rows} & said.keys())
    return "\n".join(f"Data set `{name}`: {(said[name] or '').partition(': ')[2]}\n" for name in used)


def studies_and_tools(root: Path) -> str:
    """A table of studies and one of tools."""
    entries = yaml.safe_load((root / "conf/base/parameters_studies.yml").read_text(encoding="utf-8"))
    rows = [_study_row(name, entry) for name, entry in entries.items()]
    tools = [(f"`{name}`", tool.description) for name, tool in registry.TOOLS.items()]
    return "\n".join(
        [
            "# Studies and tools",
            "",
            "A study is many trainings and one table: experiments, times what is varied, times seeds. It is run as a",
            "recipe is, `kedro run --pipelines NAME`, and goes on where it was stopped.",
            "",
            *_table(("study", "paper", "what", "seeds", "experiments", "varied"), rows),
            "",
            "## Tools",
            "",
            *_table(("pipeline", "what"), tools),
            "",
        ]
    )


def _study_row(name: str, entry: Mapping[str, Any]) -> Row:
    grids = entry.get("grids", {}).values()
    experiments = dict.fromkeys(one for grid in grids for one in grid["experiments"])
    factors = dict.fromkeys(
        f"{factor}: {', '.join(map(str, levels))}"
        for grid in grids
        for factor, levels in grid.get("factors", {}).items()
    )
    if (search := entry.get("search")) is not None:
        experiments, factors = {search["experiment"]: None}, {f"searched: {', '.join(search['space'])}": None}
    named = ", ".join(f"`{one}`" for one in experiments)
    return (
        f"`{name}`", _cited(entry["paper"]), entry.get("description", ""), str(len(entry.get("seeds", [0]))), named,
        "; ".join(factors),
    )  # fmt: skip


def systems(root: Path) -> str:
    """A section for every system: its docstring, and its settings with their defaults."""
    files = [path for path in sorted((root / "src/papergan/systems").glob("*.py")) if path.stem != "__init__"]
    modules = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    rows = [(f"[{name}](#{name})", _first_line(module), _used_by(root, name)) for name, module in modules.items()]
    sections = [line for name, module in modules.items() for line in _section(name, module)]
    introduction = (
        "A system is one file of `src/papergan/systems`: the networks, players and terms of a paper. This page is\n"
        "made from their docstrings and signatures; `--params NAME.overrides.SETTING=VALUE` changes a setting of a\n"
        "[recipe](recipes.md)."
    )
    return "\n".join(["# Systems", "", introduction, "", *_table(("system", "paper", "recipes"), rows), "", *sections])


def _section(name: str, module: ast.Module) -> list[str]:
    text = (ast.get_docstring(module) or "").replace("_", r"\_").replace("*", r"\*").replace("<", "&lt;")
    paragraphs = re.sub(r"\n(?=(Reproduced|Deviations?|Deterministic)\b)", "\n\n", text)
    paragraphs = re.sub(r"`([^`]*)`", lambda code: code[0].replace("\\", "").replace("&lt;", "<"), paragraphs)
    build = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "build")
    given = zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True)
    rows = [(f"`{one.arg}`", f"`{ast.unparse(default)}`" if default else "none", _type(one)) for one, default in given]
    settings = _table(("setting", "default", "values"), rows) if rows else ["It has no settings."]
    return [f"## {name}", "", paragraphs, "", *settings, ""]


def _type(argument: ast.arg) -> str:
    return f"`{ast.unparse(argument.annotation)}`" if argument.annotation else ""


def _first_line(module: ast.Module) -> str:
    return (ast.get_docstring(module) or "").partition("\n")[0]


def _used_by(root: Path, system: str) -> str:
    files = sorted((root / "conf/base/parameters").glob("*.yml"))
    entries = (entry for path in files for entry in yaml.safe_load(path.read_text(encoding="utf-8")).items())
    return ", ".join(f"`{name}`" for name, entry in entries if entry.get("system") == system)


def _cited(key: str) -> str:
    paper = find_paper(key)
    return f"[{paper.short_name}]({paper.link})" if paper.link else paper.short_name


def _table(head: Row, rows: Iterable[Row]) -> list[str]:
    """The lines of a table in Markdown."""
    cells = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]
