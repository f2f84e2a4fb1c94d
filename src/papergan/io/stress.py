"""Results of the stress test's cells: a handle, since the node that plays them looks what there is and adds to it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.files import write_whole
from papergan.io.whole_file import read_bytes
from papergan.stress import StressResult

log = logging.getLogger(__name__)


class StressStore:
    """<folder>/<key>.json, one per cell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> StressResult | None:
        """The result of a cell; None where it is not done, or damaged, which is logged."""
        path = self.folder / f"{key}.json"
        if not path.is_file():
            return None
        try:
            return StressResult(**json.loads(read_bytes(path)))
        except (ValueError, TypeError) as problem:
            log.warning("cell %s is played again, %s is damaged: %s", key, path, problem)
            return None

    def keep(self, key: str, result: StressResult) -> None:
        """A result, once and for all."""
        write_whole(self.folder / f"{key}.json", json.dumps(asdict(result)).encode())


class StressStoreDataset(AbstractDataset[NoReturn, StressStore]):
    """Loads a StressStore, which need not exist yet; what is in it is saved through it."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> StressStore:
        return StressStore(self._folder)

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._folder}: results of cells are saved by the node that plays them")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
