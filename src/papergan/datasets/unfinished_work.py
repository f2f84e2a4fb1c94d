"""Saved state of minutes of work whose result goes to the cache, so that a stopped run can go on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from papergan.atomic_files import storage_errors, write_whole
from papergan.datasets.atomic_file import read_bytes
from papergan.errors import CheckpointError, StorageError
from papergan.weights import Weights, decode, encode

logger = logging.getLogger(__name__)

PREFIX = "unfinished-"


@dataclass(frozen=True)
class UnfinishedWork:
    """One file beside `finished`, which the finished work will be. Written atomically, with a digest.

    Two processes that do the same work may write it in turn: what they write is the state of one and the same work.
    """

    finished: Path

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.finished.with_name(PREFIX + self.finished.name)

    def load(self) -> Weights | None:
        """The newest state; None where there is none, or it is damaged, which is logged."""
        if not self.path.exists():
            return None
        try:
            return decode(read_bytes(self.path), self.path)
        except (CheckpointError, StorageError) as error:
            logger.warning("begun anew, since %s", error)
            return None

    def save(self, state: Weights) -> None:
        """In place of the one before. Raises StorageError where the disk does not allow it."""
        write_whole(self.path, encode(state))

    def remove(self) -> None:
        """Once the work is finished."""
        with storage_errors(self.path):
            self.path.unlink(missing_ok=True)
