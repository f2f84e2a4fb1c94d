"""The feature cache: classifiers, features and scores of real images, kept by what they were made from."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan import file_locks
from papergan.atomic_files import storage_errors, write_whole
from papergan.datasets.atomic_file import read_bytes
from papergan.errors import CheckpointError, StorageError
from papergan.weights import Weights, decode, encode

logger = logging.getLogger(__name__)


class FeatureCache:
    """Weights in a folder, each named by a digest of everything that decides them, and checked by its own digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_or_compute(self, kind: str, made_from: Mapping[str, object], make: Callable[[], Weights]) -> Weights:
        """What was made from exactly this before, else what `make` makes now.

        kind: first part of the file's name. made_from: plain values. A damaged file is logged and made anew.
        """
        path = self.path_of(kind, made_from)
        if path.exists():
            try:
                return decode(read_bytes(path), path)
            except (CheckpointError, StorageError) as error:
                logger.warning("%s: made anew, since %s", kind, error)
        made = make()
        write_whole(path, encode(made))
        return made

    def path_of(self, kind: str, made_from: Mapping[str, object]) -> Path:
        """Path of its file."""
        identity = json.dumps({"kind": kind, **made_from}, sort_keys=True)
        return self.folder / f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.safetensors"


class SharedFeatureCache(FeatureCache):
    """A cache that several processes fill at once: what one of them is making the others wait for."""

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


class FeatureCacheDataset(AbstractDataset[NoReturn, FeatureCache]):
    """Loads a FeatureCache, which nodes fill."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> FeatureCache:
        return FeatureCache(self._folder)

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._folder}: a cache is filled by the nodes that use it, not through the catalog")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
