"""The feature cache: classifiers, features and scores of real images, keyed by what they were computed from."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from papergan import file_locks
from papergan.atomic_files import storage_errors, write_whole
from papergan.datasets.atomic_file import CopiedFolderDataset, read_bytes
from papergan.errors import CheckpointError, StorageError
from papergan.remote_copy import RemoteCopy
from papergan.weights import Weights, decode, encode

logger = logging.getLogger(__name__)

UNFINISHED = "unfinished-"  # prefix of the file names of UnfinishedWork


class FeatureCache:
    """Weights in a folder, each named by a digest of everything that determines them, and checked by its own digest.

    remote: where they are copied to, and fetched from if they are not in the folder; None = nowhere.
    """

    def __init__(self, folder: Path, remote: RemoteCopy | None = None) -> None:
        self.folder, self.remote = folder, remote
        self._shared: set[Path] = set()  # files that are known to be those of the copy

    def get_or_compute(self, kind: str, made_from: Mapping[str, object], make: Callable[[], Weights]) -> Weights:
        """The stored result for exactly these values, else the result of `make`, which is then stored.

        kind: first part of the file's name. made_from: plain values. A damaged file is logged and recomputed.
        """
        path = self.path_of(kind, made_from)
        if (kept := self._kept(path, kind)) is not None:
            return kept
        made = make()
        content = encode(made)
        self._shared.add(path)
        if self.remote is None or self.remote.send_first(path, content):  # before it is here, or it might never be sent
            write_whole(path, content)
            return made
        # Another machine was first. Its numbers may differ in their last bits; all trials use the same ones.
        return self._fetched(self.remote, path, kind, made) or made

    def _kept(self, path: Path, kind: str) -> Weights | None:
        """The result stored in the folder, else its copy. If they differ, the copy counts, which all machines use.

        Whether they do is looked up once in a process.
        """
        kept = _read(path, f"{kind}: made")
        if self.remote is None or (kept is not None and path in self._shared):
            return kept
        if kept is None or not self._share(self.remote, path, encode(kept)):
            kept = self._fetched(self.remote, path, kind, kept)
        self._shared |= {path} if kept is not None else set()
        return kept

    def _fetched(self, remote: RemoteCopy, path: Path, kind: str, kept: Weights | None) -> Weights | None:
        """The copy, or if there is none `kept`, which also replaces a damaged copy."""
        if not remote.fetch(path):
            return kept
        if (copy := _read(path, f"{kind}: made")) is not None:
            return copy
        remote.remove(path)
        if kept is not None:
            write_whole(path, encode(kept))
            self._share(remote, path, encode(kept))
        return kept

    @staticmethod
    def _share(remote: RemoteCopy, path: Path, content: bytes) -> bool:
        """Whether the copy of a file has this content, by its header with the digest; sent if there is no copy."""
        header = content[: 8 + int.from_bytes(content[:8], "little")]
        there = remote.head(path, len(header))
        return remote.send_first(path, content) if there is None else there == header

    def path_of(self, kind: str, made_from: Mapping[str, object]) -> Path:
        """The path of the file for the result of these values."""
        identity = json.dumps({"kind": kind, **made_from}, sort_keys=True)
        return self.folder / f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.safetensors"


class SharedFeatureCache(FeatureCache):
    """A cache that several processes fill at once: while one computes a result, the others wait for it."""

    def get_or_compute(self, kind: str, made_from: Mapping[str, object], make: Callable[[], Weights]) -> Weights:
        path = self.path_of(kind, made_from)
        if path.exists():
            return super().get_or_compute(kind, made_from, make)
        lock = self.folder / "locks" / f"{path.stem}.lock"
        with storage_errors(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            held = file_locks.take(lock, wait=True)
        with held:
            return super().get_or_compute(kind, made_from, make)


@dataclass(frozen=True)
class UnfinishedWork:
    """Saved state of work that takes minutes, so that a stopped run can resume: a file next to `finished`, the result.

    Two processes doing the same work may write it in turn: both write states of the same computation.
    """

    finished: Path

    @property
    def path(self) -> Path:
        return self.finished.with_name(UNFINISHED + self.finished.name)

    def load(self) -> Weights | None:
        """The newest state; None if there is none, or it is damaged, which is logged."""
        return _read(self.path, "begun")

    def save(self, state: Weights) -> None:
        """Save the state, replacing the previous one. Raises StorageError if the disk does not allow it."""
        write_whole(self.path, encode(state))

    def remove(self) -> None:
        """Remove the state, once the work is finished."""
        with storage_errors(self.path):
            self.path.unlink(missing_ok=True)


class FeatureCacheDataset(CopiedFolderDataset[FeatureCache]):
    """Loads a FeatureCache."""

    saved_by = "a cache is filled by the nodes that use it"

    def load(self) -> FeatureCache:
        return FeatureCache(self.folder, self.remote)


def _read(path: Path, what: str) -> Weights | None:
    """The weights; None if there are none, or damaged ones, which is logged. what: the work to be repeated."""
    if not path.exists():
        return None
    try:
        return decode(read_bytes(path), path)
    except (CheckpointError, StorageError) as error:
        logger.warning("%s anew, since %s", what, error)
        return None
