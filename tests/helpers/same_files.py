"""What two identical runs leave: the same bytes, except where a duration is recorded, and what follows from it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
DURATIONS = {  # as docs/guarantees.md names them, with the digests that cover them
    "generator.safetensors": {"seconds", "metadata_digest"},
    "trained.safetensors": {"seconds", "metadata_digest"},
    "history.csv": {"images_per_second"},
    "scores.json": {"training_seconds", "sampling_seconds", "sha256"},
}
TABLES = {"checkpoints", "comparison", "training_log"}  # folders: saved by the clock, or durations in tables


def outputs(workspace: Path) -> dict[str, Path]:
    """Newest file of everything in data/, by its path without the version."""
    files = sorted(path for path in (workspace / "data").rglob("*") if path.is_file())
    return {
        VERSION.sub("*", str(path.relative_to(workspace))): path for path in files if not TABLES & {*path.parts}
    }  # fmt: skip


def differing(first: Path, second: Path) -> list[str]:
    """Files that only one workspace has, and those that differ in more than durations."""
    one, two = outputs(first), outputs(second)
    return sorted(one.keys() ^ two.keys()) + [
        name for name in one.keys() & two.keys() if _without_durations(one[name]) != _without_durations(two[name])
    ]


def _without_durations(path: Path) -> Any:
    content, left_out = path.read_bytes(), DURATIONS.get(path.name)
    if left_out is None:
        return content
    if path.suffix == ".safetensors":
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        return _without(header.pop("__metadata__"), left_out), header, content[end:]
    if path.suffix == ".json":
        return _without(json.loads(content), left_out)
    return [_without(row, left_out) for row in csv.DictReader(content.decode().splitlines())]


def _without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
