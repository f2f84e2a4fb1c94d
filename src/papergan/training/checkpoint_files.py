"""The files of checkpoints: names, manifests, and verification."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from papergan.atomic_files import read_regular, sha256_of

CHECKPOINT = re.compile(r"step-\d{9,15}(\.json|-[0-9a-f]{12}\.pt)")
_MANIFEST = re.compile(r"step-(\d{9,15})\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Manifest(NamedTuple):
    """The manifest of a checkpoint. data: its file, of at most `bytes` bytes and with the digest `sha256`."""

    data: Path
    bytes: int
    sha256: str


def steps_among(names: Iterable[str]) -> list[int]:
    """Steps that have a manifest among these file names, oldest first."""
    found = (_MANIFEST.fullmatch(name) for name in names)
    return sorted(int(one[1]) for one in found if one)


def manifest_at(folder: Path, step: int) -> Path:
    """The path of a step's manifest."""
    return folder / f"step-{step:09d}.json"


def data_at(folder: Path, step: int, sha256: str) -> Path:
    """The path of the data with this digest. Raises ValueError for anything but a digest, as it is part of the path."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256[:80]!r} is not a SHA-256")
    return folder / f"step-{step:09d}-{sha256[:12]}.pt"


def read_manifest(folder: Path, step: int, fingerprint: str) -> Manifest:
    """The manifest of a step. Raises various exceptions if it is missing, damaged, or of another step or recipe."""
    manifest = json.loads(read_regular(manifest_at(folder, step)))
    sha256, size = str(manifest["sha256"]), manifest["bytes"]
    if manifest["step"] != step:
        raise ValueError(f"of step {manifest['step']}, not {step}")
    if manifest["fingerprint"] != fingerprint:
        raise ValueError(f"of recipe {manifest['fingerprint']}, not {fingerprint}")
    if type(size) is not int:
        raise TypeError(f"{size!r} is not a number of bytes")
    return Manifest(data_at(folder, step, sha256), size, sha256)


def read_state(folder: Path, step: int, fingerprint: str) -> dict[str, Any]:
    """The state of a step. Raises various exceptions if it is damaged, PermissionError or MemoryError otherwise."""
    manifest = read_manifest(folder, step, fingerprint)
    content = read_regular(manifest.data, most=manifest.bytes)
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.sha256:
        raise ValueError(f"SHA-256 is {found[:12]}, the manifest says {manifest.sha256[:12]}")
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"a mapping was expected, it holds {type(state).__name__}")
    return state


def verify_data(folder: Path, step: int, fingerprint: str) -> None:
    """Check the digest of a step's data, without loading them. Raises various exceptions if they are damaged."""
    manifest = read_manifest(folder, step, fingerprint)
    if (found := sha256_of(manifest.data)) != manifest.sha256:
        raise ValueError(f"SHA-256 is {found[:12]}, the manifest says {manifest.sha256[:12]}")


def referenced_data(folder: Path, step: int) -> set[Path]:
    """The data file that a manifest names; if it is unreadable, all files of its step, to be safe."""
    try:
        manifest = json.loads(read_regular(manifest_at(folder, step)))
        return {data_at(folder, step, str(manifest["sha256"]))}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
        return set(folder.glob(f"step-{step:09d}-*.pt"))
