"""Which experiments there are: the top-level keys of conf/base/parameters/*.yml, one experiment each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from papergan.atomic_files import read_regular
from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted
from papergan.validation import one_line_error

PROJECT = Path(__file__).resolve().parents[3]
PARAMETERS = PROJECT / "conf" / "base" / "parameters"


@dataclass(frozen=True)
class Entry:
    """What is known of an experiment without reading its recipe closely. paper: number of the source document."""

    name: str
    paper: str
    description: str


@cache
def discover(folder: Path = PARAMETERS) -> dict[str, Entry]:
    """Every experiment by name, in the order of the files and of the entries in them.

    Only names are taken from here: overlays and --params may change everything else when a pipeline runs.
    Raises RecipeError where a file is not a mapping of experiments, a name appears twice, or one is no name: it becomes
    a pipeline and a folder.
    """
    found: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.yml")):
        for name, entry in _read(path).items():
            if name in found:
                raise RecipeError(f"{path}: experiment {quoted(name)} is defined twice")
            taken = {*TOOLS, *TOOL_PARAMETERS, *SHARED}
            if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in taken:
                wanted = f"letters, digits and _, and none of {', '.join(sorted(taken))}"
                raise RecipeError(f"{path}: {quoted(name)} cannot be the name of an experiment: {wanted}")
            found[name] = Entry(name, *(_text(entry.get(key)) for key in ("paper", "description")))
    return found


STUDIES = PROJECT / "conf" / "base" / "parameters_studies.yml"


@cache
def studies(path: Path = STUDIES) -> dict[str, Entry]:
    """Every study by name: the top-level keys of that file. Raises RecipeError as `discover` does."""
    found = {}
    for name, entry in _read(path).items() if path.exists() else ():
        if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in {*discover(), *TOOLS, *TOOL_PARAMETERS, *SHARED}:
            raise RecipeError(f"{path}: {quoted(name)} cannot be the name of a study: it is taken, or no name")
        found[name] = Entry(name, *(_text(entry.get(key)) for key in ("paper", "description")))
    return found


SHARED = ("store", "rulers")  # folders beside those of the experiments

TOOLS = {
    "comparison": "the table of all runs so far",
    "metric_sanity": "every metric on real images that are spoilt more and more: does it notice?",
    "evaluate_images": "any two folders or files of images: --params real=DIR,fake=DIR",
    "mode_stress_test": "document 002's losses and regularisers on a ring and a grid of Gaussians, modes counted",
    "fd_search": "document 003's search for FD: raised from 1 until nothing is unstable beyond epoch 30",
}  # pipelines that are no experiment
TOOL_PARAMETERS = ("metric_sanity", "evaluate_images", "fd_search", "mode_stress_test", "real", "fake", "retention")


def refuse_unknown(parameters: Mapping[str, Any]) -> None:
    """Raise RecipeError where configuration, an overlay or --params names an experiment that does not exist."""
    known = {*discover(), *studies(), *TOOL_PARAMETERS}
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise RecipeError(
            "; ".join(f"unknown experiment {quoted(name)}{did_you_mean(str(name), known)}" for name in unknown)
        )


def _text(given: Any) -> str:
    return given if isinstance(given, str) else ""  # anything else is refused where recipes are checked


def _read(path: Path) -> dict[str, dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one where there is one
    try:
        entries = yaml.load(read_regular(path).decode(), Loader=loader)  # noqa: S506 - safe loader
    except Exception as error:  # a parser that is given just anything may raise anything
        raise RecipeError(f"{path} cannot be read: {one_line_error(error)}") from error
    named = isinstance(entries, dict) and all(isinstance(name, str) for name in entries)
    if not named or not all(isinstance(entry, dict) for entry in entries.values()):
        raise RecipeError(f"{path}: expected a mapping of experiment names to recipes")
    found: dict[str, dict[str, Any]] = entries
    return found
