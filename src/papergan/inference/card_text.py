"""Sanitising of the model's own texts for its card: on one line each, without Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papergan.messages import sanitise

UNKNOWN = "unknown"
HERE = "path/to/this/folder"  # for a model that was not published


def text(value: object) -> str:
    """A value as text on one line, with table separators and HTML escaped."""
    return sanitise(value).replace("|", "\\|").replace("<", "&lt;")


def code(value: object) -> str:
    """A value as text that is safe in Markdown code."""
    return sanitise(value).replace("`", "'").replace('"', "'")


def printable(value: Any) -> Any:
    """The same JSON value with every text on one line."""
    if isinstance(value, Mapping):
        return {sanitise(key): printable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [printable(one) for one in value]
    return sanitise(value) if isinstance(value, str) else value
