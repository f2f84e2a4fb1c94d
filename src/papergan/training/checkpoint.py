"""Checkpoints: one file for all players, vouched for by a manifest that is written last."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from papergan.errors import CheckpointError
from papergan.files import storage_errors, write_whole
from papergan.game.game import Game

log = logging.getLogger(__name__)

_MANIFEST = re.compile(r"step-(\d{9,15})\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Checkpoint:
    """A state that was read back whole."""

    step: int
    state: dict[str, Any]


def checkpoint_bytes(game: Game) -> int:
    """About how large a checkpoint of this game is: weights, two moments each, the average, two best generators."""
    weights, published = (
        sum(tensor.nbytes for tensor in module.state_dict().values())
        for module in (game.networks, game.sampler(averaged=False))
    )
    return int(3 * weights + (2 if game.average is None else 3) * published)


class CheckpointStore:
    """The checkpoints of one recipe of one experiment, in a folder of their own named by the recipe's fingerprint.

    A checkpoint exists once its manifest does: {step, bytes, sha256, fingerprint, ...}. The data lie in a file that is
    named by step and digest, so that a step saved twice never stands between two files. One whose bytes do not match
    is skipped aloud and the one before it is used; where all are damaged, CheckpointError, never a silent fresh start.
    `keep` whole ones are kept; an older one is deleted only after a newer one is vouched for.
    """

    def __init__(self, folder: Path, fingerprint: str, keep: int = 2) -> None:
        if keep < 2:
            raise ValueError(f"keep at least 2 checkpoints, got {keep}: the newest may be damaged")
        self.folder, self.fingerprint, self.keep = folder / fingerprint, fingerprint, keep
        self._damaged: set[int] = set()  # steps found so by `latest`; they do not count as kept

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer per recipe: the kernel holds the lock, and drops it however the process ends.

        Raises CheckpointError naming the holder, StorageError where the folder cannot be written.
        """
        lock = self.folder / "lock"
        with storage_errors(lock):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = lock.open("a+")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise CheckpointError(
                    f"{self.folder}: held by {holder}, which trains the same recipe; wait for it or stop it"
                ) from None
            with storage_errors(lock):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {os.uname().nodename}")
                file.flush()
            yield

    def save(self, step: int, state: Mapping[str, Any], **facts: Any) -> None:
        """Write the state of `step`; `facts` go into the manifest. Raises StorageError where the disk will not."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getbuffer()
        sha256 = hashlib.sha256(content).hexdigest()
        manifest = {"step": step, "bytes": len(content), "sha256": sha256, "fingerprint": self.fingerprint, **facts}
        with storage_errors(self.folder):
            self._sweep()
        write_whole(self._data(step, sha256), content)
        write_whole(self._manifest(step), json.dumps(manifest, indent=1).encode())
        self._damaged.discard(step)
        with storage_errors(self.folder):
            self._retire()

    def steps(self) -> list[int]:
        """Steps that a manifest vouches for, oldest first."""
        names = (_MANIFEST.fullmatch(path.name) for path in self.folder.glob("step-*.json"))
        return sorted(int(name[1]) for name in names if name)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; None where there never was one.

        Raises CheckpointError where there are some and none is whole, or where one may not be read.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return Checkpoint(step, self._read(step))
            except (PermissionError, MemoryError) as error:  # says nothing about the checkpoint
                raise CheckpointError(f"{self._manifest(step)}: cannot be read ({error or 'out of memory'})") from error
            except Exception as error:  # whatever a cut, altered or hostile file makes a decoder raise; said aloud
                reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
                log.warning("damaged checkpoint skipped: %s: %s", self._manifest(step), reason)
                self._damaged.add(step)
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
        self._sweep()

    def _read(self, step: int) -> dict[str, Any]:
        manifest = json.loads(self._manifest(step).read_bytes())
        sha256, fingerprint = str(manifest["sha256"]), manifest["fingerprint"]
        content = self._data(step, sha256).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != sha256 or step != manifest["step"]:
            raise ValueError(f"SHA-256 is {found[:12]}, the manifest says {sha256[:12]}")
        if fingerprint != self.fingerprint:
            raise ValueError(f"of recipe {fingerprint}, not {self.fingerprint}")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"a mapping was expected, it holds {type(state).__name__}")
        return state

    def _retire(self) -> None:
        """Delete what is older than the newest `keep` whole ones, and, once there are so many, what is damaged."""
        steps = self.steps()
        kept = [step for step in steps if step not in self._damaged][-self.keep :]
        for step in steps:
            if step not in kept and (step not in self._damaged or len(kept) == self.keep):
                self._manifest(step).unlink(missing_ok=True)
                self._damaged.discard(step)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what a killed process left half written, and data that no manifest vouches for."""
        vouched = {name for step in self.steps() for name in self._vouched(step)}
        for path in [*self.folder.glob(".step-*.part"), *self.folder.glob("step-*.pt")]:
            if path.name not in vouched:
                path.unlink(missing_ok=True)

    def _vouched(self, step: int) -> list[str]:
        """The file that a manifest speaks of; all of its step where it is unreadable, for nothing is sure then."""
        try:
            return [self._data(step, str(json.loads(self._manifest(step).read_bytes())["sha256"])).name]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return [path.name for path in self.folder.glob(f"step-{step:09d}-*.pt")]

    def _data(self, step: int, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):  # it becomes part of a path
            raise ValueError(f"{sha256[:80]!r} is no SHA-256")
        return self.folder / f"step-{step:09d}-{sha256[:12]}.pt"

    def _manifest(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}.json"
