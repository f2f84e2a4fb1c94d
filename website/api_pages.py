"""The reference of the library: a page for `papergan` itself, and one for each room that needs torch alone."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

INTRODUCTION = """# The library

What `import papergan` offers, without Kedro and MLflow; how to use it:
[use a generator](../../docs/use_a_generator.md). The other pages are the rooms below it,
from the top down, each importing only from those below it: see
[architecture in five minutes](../../CONTRIBUTING.md#architecture-in-five-minutes).
"""


def pages(root: Path) -> dict[str, str]:
    """The pages by their paths on the site, from the top of the house down."""
    package = root / "src" / "papergan"
    layers = [name for layer in _layers(root) for name in layer]
    rooms = [name for name in layers if (package / name / "__init__.py").is_file()]
    single = [name for name in layers if (package / f"{name}.py").is_file()]
    return {
        "reference/api/papergan.md": INTRODUCTION
        + "".join(_member(f"papergan.{name}", 2) for name in _offered(package)),
        **{f"reference/api/{name}.md": _room(package / name) for name in rooms},
        "reference/api/single_files.md": "# Below all rooms\n"
        + "".join(_member(f"papergan.{name}", 2) for name in single),
    }


def _layers(root: Path) -> list[list[str]]:
    """The names in each layer of the library, of the contract that import-linter checks; the configuration is above."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = [[name.strip() for name in layer.split(":")] for layer in layers]
    return named[named.index(["config"]) + 1 :]


def _offered(package: Path) -> list[str]:
    """The names in `__all__` of a package."""
    for node in ast.parse((package / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return sorted(names, key=lambda name: (name[0].isupper(), name))
    raise ValueError(f"{package}: expected __all__")


def _room(folder: Path) -> str:
    """The page of a package: its docstring, then its modules."""
    name = f"papergan.{folder.name}"
    files = [path.relative_to(folder) for path in folder.rglob("*.py") if path.stem != "__init__"]
    modules = sorted(".".join(path.with_suffix("").parts) for path in files)
    head = f"# `{name}`\n\n::: {name}\n    options:\n      members: false\n      show_root_heading: false\n"
    return head + "".join(_member(f"{name}.{module}", 2) for module in modules)


def _member(name: str, level: int) -> str:
    return f"\n::: {name}\n    options: {{heading_level: {level}}}\n"
