"""Results of the stress test's cells: a handle, since the node that plays them looks what there is and adds to it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.config.mode_stress import StressResult
from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.errors import EvaluationError, PaperganError

log = logging.getLogger(__name__)


class StressResultDataset(DigestedJSONDataset[StressResult]):
    """A StressResult as JSON. Raises EvaluationError for anything else."""

    what, remedy = "result of a stress test", "it is played again"

    def _to_document(self, data: StressResult) -> dict[str, Any]:
        return asdict(data)

    def _from_document(self, document: dict[str, Any]) -> StressResult:
        try:
            return StressResult(**document)
        except TypeError as error:
            raise EvaluationError(str(error)) from error


class StressStore:
    """<folder>/<key>.json, one per cell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> StressResult | None:
        """The result of a cell; None where it is not done, or damaged, which is logged."""
        dataset = self._file(key)
        if not dataset.path.is_file():
            return None
        try:
            return dataset.load()
        except (PaperganError, DatasetError) as problem:
            log.warning("cell %s: %s", key, problem)
            return None

    def keep(self, key: str, result: StressResult) -> None:
        """A result, once and for all."""
        self._file(key).save(result)

    def _file(self, key: str) -> StressResultDataset:
        return StressResultDataset(filepath=str(self.folder / f"{key}.json"))


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
