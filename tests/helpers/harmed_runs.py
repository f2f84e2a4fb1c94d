"""What is looked at of runs that are killed, stopped or harmed: their results, checkpoints and last words."""

from __future__ import annotations

import json
import time
from pathlib import Path

from helpers.subject import PLAN, Server, Subject
from papergan.training.checkpoint import CheckpointStore


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def straight(server: Server, kind: str, steps: int = PLAN.steps) -> tuple[dict, float]:
    """What an uninterrupted run comes to, and its seconds; it is played once for all tests."""
    if (kind, steps) not in server.straight:
        folder, began = Path(server.folder, f"{kind} {steps}"), time.monotonic()
        assert server.run(Subject(str(folder), kind, steps=steps)) == 0, said(folder)
        server.straight[kind, steps] = result(folder), time.monotonic() - began
    return server.straight[kind, steps]


def whole(folder: Path) -> int:
    """How many checkpoints would load."""
    store = CheckpointStore(folder, "recipe")
    return sum(_loads(store, step) for step in store.steps())


def _loads(store: CheckpointStore, step: int) -> bool:
    try:
        store._read(step)
    except Exception:
        return False
    return True


def said(folder: Path) -> str:
    return folder.with_suffix(".said").read_text()


def last_line(folder: Path) -> str:
    return said(folder).strip().splitlines()[-1]
