"""The provenance of a result: commit, hardware, and package versions."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import torch

from papergan.project import IN_CHECKOUT, PROJECT


@dataclass(frozen=True)
class Commit:
    """A commit of this project. dirty: there are uncommitted changes. "unknown" outside a git checkout."""

    name: str
    dirty: bool


@cache
def commit() -> Commit:
    """The commit at the start of this process."""
    name = _git("rev-parse", "HEAD")
    if name is None:
        return Commit("unknown", dirty=False)
    return Commit(name, dirty=bool(_git("status", "--porcelain", "--untracked-files=no")))


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that determine the results."""
    names = ("papergan", "torch", "numpy", "scipy", "torch-fidelity")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # torch-fidelity is only needed for Inception
            continue
    return found


def facts(device: torch.device) -> dict[str, Any]:
    """Commit, hardware and versions, by their names in score cards."""
    made_by = commit()
    return {
        "commit": made_by.name, "dirty": made_by.dirty, "hardware": hardware(device), "versions": versions(),
    }  # fmt: skip


def to_metadata(device: torch.device) -> dict[str, str]:
    """The device and its `facts` as the metadata of a weights file."""
    return {"made_by": json.dumps({"device": str(device), **facts(device)}, sort_keys=True)}


def from_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The content that `to_metadata` wrote to a weights file; empty if there is none."""
    return dict(json.loads(metadata.get("made_by", "{}")))


def note(commit: Commit, versions: Mapping[str, str]) -> str:
    """The commit and the versions as a note on a page: "commit 1fe6e80dd0b9+dirty; numpy 2.1, ..."."""
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return f"commit {commit.name[:12]}{'+dirty' if commit.dirty else ''}; {named}"


def hardware(device: torch.device) -> str:
    """The name of the device: "NVIDIA H200", or the processor and the number of threads used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


@cache
def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    if not IN_CHECKOUT:  # the working directory may be a checkout of something else
        return None
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - git is found as the user's shell finds it
            cwd=PROJECT, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
