"""Texts of a model card: what a model says of itself, on one line each, and never Markdown or HTML of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papergan.messages import sanitise

UNKNOWN = "unknown"
HERE = "path/to/this/folder"  # of a model that was not published


def text(value: object) -> str:
    """On one line, and neither a cell of a table nor HTML."""
    return sanitise(value).replace("|", "\\|").replace("<", "&lt;")


def code(value: object) -> str:
    """As it may stand in code."""
    return sanitise(value).replace("`", "'").replace('"', "'")


def printable(value: Any) -> Any:
    """The same JSON with texts on one line each."""
    if isinstance(value, Mapping):
        return {sanitise(key): printable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [printable(one) for one in value]
    return sanitise(value) if isinstance(value, str) else value
