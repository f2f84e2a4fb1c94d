"""Checkpoints: one file with the whole state, valid once its manifest, written last, exists."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from papergan import file_locks
from papergan.atomic_files import read_regular, storage_errors, write_whole
from papergan.errors import CheckpointError
from papergan.game.game import Game
from papergan.training.checkpoint_files import (
    data_at,
    manifest_at,
    read_state,
    referenced_data,
    steps_among,
    verify_data,
)
from papergan.validation import one_line_error

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A state that was read from disk and verified."""

    step: int
    state: dict[str, Any]


def checkpoint_bytes(game: Game) -> int:
    """The approximate size of a checkpoint in bytes: weights, two moments each, the average, three best generators."""
    weights, exported = (
        sum(tensor.nbytes for tensor in module.state_dict().values())
        for module in (game.networks, game.sampler(averaged=False))
    )
    return int(3 * weights + (3 if game.average is None else 4) * exported)


def take_noted(lock: Path, otherwise: str) -> IO[str]:
    """Take a lock in a folder, created if missing, and note this process in it; held until the file is closed.

    Raises CheckpointError if another process holds it, with its note and `otherwise`: what it does, and what to do.
    StorageError if the folder cannot be written, or a link or anything but a file is in the lock's place.
    """
    with storage_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = file_locks.take(lock)
        except BlockingIOError:
            holder = file_locks.read_note(lock) or "another process"
            raise CheckpointError(f"{lock.parent}: held by {holder}, {otherwise}") from None
        file_locks.write_note(file, f"process {os.getpid()} on {os.uname().nodename}")
    return file


class CheckpointStore:
    """The checkpoints of one recipe of one experiment, in their own folder, named by the recipe's fingerprint.

    A checkpoint exists once its manifest does: {step, bytes, sha256, fingerprint, ...}. The data are in a file named by
    step and digest, so that saving a step twice never leaves a mixture of two files. A checkpoint whose bytes do not
    match is skipped with a warning and the one before it is used; CheckpointError if all are damaged.
    `keep` intact checkpoints are kept; an older one is deleted only after a newer one is verified.
    """

    def __init__(self, folder: Path, fingerprint: str, keep: int = 2) -> None:
        if keep < 2:
            raise ValueError(f"keep at least 2 checkpoints, got {keep}: the newest may be damaged")
        self.folder, self.fingerprint, self.keep = folder / fingerprint, fingerprint, keep
        self._damaged: set[int] = set()  # steps that were found damaged; they do not count as kept
        self._verified: set[int] = set()  # steps that were read back

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the checkpoints for one writer: the kernel releases the lock however the process ends.

        Raises CheckpointError naming the holder, StorageError if the folder cannot be written, or a link or anything
        but a file is in the lock's place.
        """
        with self._take("lock"):
            yield

    def reserve(self) -> IO[str]:
        """Exclude other runs of the recipe, also before and after the training: a lock, held until it is closed.

        Raises as `locked` does.
        """
        return self._take(file_locks.RUN_LOCK)

    def _take(self, name: str) -> IO[str]:
        return take_noted(self.folder / name, "which trains the same recipe; wait for it or stop it")

    @property
    def images_note(self) -> Path:
        """The file that records which images the checkpoints were trained on."""
        return self.folder / "images.txt"

    def check_images(self, digest: str) -> None:
        """Record the training images, and any trained networks used, of the checkpoints, by one digest.

        Raises CheckpointError if existing checkpoints have another digest: a user's folder may change between two runs.
        """
        note = self.images_note
        with storage_errors(note):
            known = read_regular(note, most=200).decode().strip() if note.exists() else digest
        if known != digest and self.steps():
            raise CheckpointError(
                f"{self.folder}: the checkpoints are of other images than the data set holds now, or of another "
                "trained model (classifier, teacher, start of a fine-tuning); put those back, or train anew with "
                "training.resume=false"
            )
        if known != digest or not note.exists():
            write_whole(note, digest.encode())

    def save(self, step: int, state: Mapping[str, Any], **facts: Any) -> None:
        """Write the state of `step`; `facts` go into the manifest. Raises StorageError if it cannot be written."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getbuffer()
        sha256 = hashlib.sha256(content).hexdigest()
        manifest = {"step": step, "bytes": len(content), "sha256": sha256, "fingerprint": self.fingerprint, **facts}
        with storage_errors(self.folder):
            self._sweep()
        write_whole(data_at(self.folder, step, sha256), content)
        write_whole(self._manifest(step), json.dumps(manifest, indent=1).encode())
        self._damaged.discard(step)
        self._verified.discard(step)
        with storage_errors(self.folder):
            self._retire(step)

    def steps(self) -> list[int]:
        """Steps that have a manifest, oldest first."""
        return steps_among(path.name for path in self.folder.glob("step-*.json"))

    def latest(self) -> Checkpoint | None:
        """The newest intact checkpoint; None if there is no checkpoint at all.

        Raises CheckpointError if there are checkpoints but none is intact, or one cannot be read.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                checkpoint = Checkpoint(step, self._read(step))
            except (PermissionError, MemoryError) as error:  # says nothing about the checkpoint
                raise CheckpointError(
                    f"{self._manifest(step)}: cannot be read ({str(error) or 'out of memory'})"
                ) from error
            except Exception as error:  # a truncated, altered or malicious file may make a decoder raise anything
                reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
                logger.warning("damaged checkpoint skipped: %s: %s", self._manifest(step), reason)
                self._damaged.add(step)
            else:
                self._verified.add(step)
                return checkpoint
        if steps:
            raise CheckpointError(
                f"{self.folder}: none of {len(steps)} checkpoints is whole; restore one from a copy, "
                "or delete the folder to start from the beginning"
            )
        return None

    def clear(self) -> None:
        """Delete every checkpoint."""
        for step in self.steps():
            self._manifest(step).unlink(missing_ok=True)
        self._sweep()

    def _read(self, step: int) -> dict[str, Any]:
        return read_state(self.folder, step, self.fingerprint)

    def _retire(self, saved: int) -> None:
        """Delete checkpoints older than the newest `keep` intact ones, and damaged ones once there are that many.

        saved: the step that was just written. All others are read back, once, before they count as intact.
        """
        steps = self.steps()
        kept: list[int] = []
        for step in reversed(steps if len(steps) > self.keep else ()):
            if len(kept) < self.keep and step not in self._damaged and (step == saved or self._is_intact(step)):
                kept.append(step)
        for step in steps:
            if len(kept) == self.keep and step not in kept:
                self._manifest(step).unlink(missing_ok=True)
                self._damaged.discard(step)
        self._sweep()

    def _is_intact(self, step: int) -> bool:
        if step not in self._verified:
            try:
                verify_data(self.folder, step, self.fingerprint)
            except Exception as error:  # as in `latest`
                logger.warning("damaged checkpoint: %s: %s", self._manifest(step), one_line_error(error))
                self._damaged.add(step)
                return False
            self._verified.add(step)
        return True

    def _sweep(self) -> None:
        """Remove temporary files of killed processes, and data that no manifest names."""
        referenced = {path for step in self.steps() for path in referenced_data(self.folder, step)}
        for path in [*self.folder.glob(".step-*.part"), *self.folder.glob("step-*.pt")]:
            if path not in referenced:
                path.unlink(missing_ok=True)

    def _manifest(self, step: int) -> Path:
        return manifest_at(self.folder, step)
