"""Reading a file of conf/base without Kedro: a mapping of names to mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from papergan.atomic_files import read_regular
from papergan.errors import RecipeError
from papergan.validation import one_line_error

TEMPLATE = "_"  # entries whose names begin with it are only anchors for others, as in Kedro's catalog


def read_entries(path: Path, expected: str, *, scalars: bool = False) -> dict[str, dict[str, Any]]:
    """Every entry but templates, by its name. expected: for the message, such as "experiment names to recipes".

    scalars: whether an entry may be anything, and the file empty.

    Raises RecipeError where the file cannot be read, or is anything but a mapping of text to mappings.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one where there is one
    try:
        entries = yaml.load(read_regular(path).decode(), Loader=loader)  # noqa: S506 - safe loader
    except Exception as error:  # a parser that is given arbitrary text may raise anything
        raise RecipeError(f"{path} cannot be read: {one_line_error(error)}") from error
    if entries is None and scalars:
        return {}
    if not isinstance(entries, dict) or not all(isinstance(name, str) for name in entries):
        raise RecipeError(f"{path}: expected a mapping of {expected}")
    found = {name: entry for name, entry in entries.items() if not name.startswith(TEMPLATE)}
    if not scalars and not all(isinstance(entry, dict) for entry in found.values()):
        raise RecipeError(f"{path}: expected a mapping of {expected}")
    return found
