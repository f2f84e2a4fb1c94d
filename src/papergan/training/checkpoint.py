"""Checkpoints: one file for all players, vouched for by a manifest that is written last."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from papergan.errors import CheckpointError
from papergan.files import write_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A state that was read back whole."""

    step: int
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one recipe of one experiment, in a folder of their own named by the recipe's fingerprint.

    A checkpoint exists once its manifest does: {step, bytes, sha256, ...}. A file whose bytes do not match is skipped
    aloud and the one before it is used; where all are damaged, CheckpointError, never a silent fresh start.
    Two are kept; the older is deleted only after the newer is vouched for.
    """

    def __init__(self, folder: Path, fingerprint: str, keep: int = 2) -> None:
        if keep < 2:
            raise ValueError(f"keep at least 2 checkpoints, got {keep}: the newest may be damaged")
        self.folder, self.fingerprint, self.keep = folder / fingerprint, fingerprint, keep

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer per recipe: the kernel holds the lock, and drops it however the process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise CheckpointError(
                    f"{self.folder}: held by {holder}, which trains the same recipe; wait for it or stop it"
                ) from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename}")
            file.flush()
            yield

    def save(self, step: int, state: Mapping[str, Any], **facts: Any) -> None:
        """Write the state of `step`; `facts` go into the manifest. Raises CheckpointError where the disk will not."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getvalue()
        manifest = {
            "step": step,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "fingerprint": self.fingerprint,
            **facts,
        }
        try:
            self._sweep()
            write_whole(self._data(step), content)
            write_whole(self._manifest(step), json.dumps(manifest, indent=1).encode())
        except OSError as error:
            raise CheckpointError(
                f"{self._data(step)}: cannot be written ({error.strerror or error}; {len(content)} bytes needed); "
                "earlier checkpoints are intact, make room and run again"
            ) from error
        for old in self.steps()[: -self.keep]:
            self._manifest(old).unlink(missing_ok=True)
            self._data(old).unlink(missing_ok=True)

    def steps(self) -> list[int]:
        """Steps that a manifest vouches for, oldest first."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.json"))

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; None where there never was one."""
        steps = self.steps()
        for step in reversed(steps):
            try:
                return Checkpoint(step, self._read(step))
            except Exception as error:  # whatever a cut, altered or hostile file makes a decoder raise; said aloud
                log.warning("damaged checkpoint skipped: %s: %s", self._data(step), error)
        if steps:
            raise CheckpointError(
                f"{self.folder}: none of {len(steps)} checkpoints is whole; restore one from a copy, "
                "or delete the folder to start from the beginning"
            )
        return None

    def clear(self) -> None:
        """Forget every checkpoint."""
        for step in self.steps():
            self._manifest(step).unlink(missing_ok=True)
        for path in self.folder.glob("step-*.pt"):
            path.unlink()

    def _read(self, step: int) -> dict[str, Any]:
        manifest = json.loads(self._manifest(step).read_bytes())
        content = self._data(step).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != manifest["sha256"] or step != manifest["step"]:
            raise ValueError(f"SHA-256 is {found[:12]}, the manifest says {manifest['sha256'][:12]}")
        if manifest["fingerprint"] != self.fingerprint:
            raise ValueError(f"of recipe {manifest['fingerprint']}, not {self.fingerprint}")
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return state

    def _sweep(self) -> None:
        """Remove what a killed process left half written, and data that no manifest vouches for."""
        for path in self.folder.glob(".step-*.part"):
            path.unlink()
        vouched = set(self.steps())
        for path in self.folder.glob("step-*.pt"):
            if int(path.stem.removeprefix("step-")) not in vouched:
                path.unlink()

    def _data(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}.pt"

    def _manifest(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}.json"
