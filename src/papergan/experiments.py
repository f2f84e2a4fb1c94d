"""Which experiments there are: the top-level keys of conf/base/parameters/*.yml, one experiment each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from papergan.errors import RecipeError, did_you_mean

PROJECT = Path(__file__).resolve().parents[2]
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
    Raises RecipeError where a file is not a mapping of experiments or a name appears twice.
    """
    found: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.yml")):
        for name, entry in _read(path).items():
            if name in found:
                raise RecipeError(f"{path}: experiment {name!r} is defined twice")
            found[name] = Entry(name, str(entry.get("paper", "?")), str(entry.get("description", "")))
    return found


TOOLS = {
    "comparison": "the table of all runs so far",
    "metric_sanity": "every metric on real images that are spoilt more and more: does it notice?",
    "evaluate_images": "any two folders or files of images: --params real=DIR,fake=DIR",
}  # pipelines that are no experiment
TOOL_PARAMETERS = ("metric_sanity", "evaluate_images", "real", "fake")


def refuse_unknown(parameters: Mapping[str, Any]) -> None:
    """Raise RecipeError where configuration, an overlay or --params names an experiment that does not exist."""
    known = {*discover(), *TOOL_PARAMETERS}
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise RecipeError("; ".join(f"unknown experiment {name!r}{did_you_mean(name, known)}" for name in unknown))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - safe loader, the fast one where there is one
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise RecipeError(f"{path}: expected a mapping of experiment names to recipes")
    return entries
