"""Copies of conf/ with faults in them, and how they are read."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import papergan.settings as project
from helpers.project_run import PROJECT
from papergan.hooks.config_loader import ReadableConfigLoader

CONF = PROJECT / "conf"
DOCUMENT, OVERLAY = "base/parameters/tahvili2025.yml", "test/parameters/tahvili2025.yml"

Change = str | bytes | None | Callable[[str], str]


def changed(folder: Path, files: dict[str, Change]) -> Path:
    """A copy of conf/ in which these files have another content, or are gone.

    Left out are recipes but those of DOCUMENT, and studies of them, since a test reads every file up to four times; and
    the tests' own catalog, so that a catalog can be missing.
    """
    shutil.copytree(CONF, folder / "conf")
    for pattern in ("*/parameters/*.yml", "*/parameters_studies.yml", "test/catalog.yml"):
        for path in (folder / "conf").glob(pattern):
            if path.stem != Path(DOCUMENT).stem:
                path.unlink()
    for name, change in files.items():
        path = folder / "conf" / name
        if change is None:
            path.unlink()
        elif isinstance(change, bytes):
            path.write_bytes(change)
        else:
            path.write_text(change(path.read_text()) if callable(change) else change)
    return folder / "conf"


def appended(text: str) -> Callable[[str], str]:
    return lambda old: f"{old}\n{text}\n"


def loaded(conf: Path, env: str = "test", **runtime: Any) -> dict[str, Any]:
    loader = ReadableConfigLoader(str(conf), env=env, runtime_params=runtime, **project.CONFIG_LOADER_ARGS)
    return {kind: loader[kind] for kind in ("parameters", "catalog", "mlflow")}


def told(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1, message
    return message


def with_another(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    tree = copy.copy(tree)
    tree[place[0]] = with_another(tree[place[0]], place[1:], value)
    return tree
