"""Results of a study's cells: a handle, since the node that plays them looks what there is and adds to it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.config.study import CellResult
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.history import HistoryDataset
from papergan.datasets.scores import ScoreCardDataset
from papergan.datasets.weights import WeightsDataset
from papergan.errors import PaperganError
from papergan.weights import Weights

log = logging.getLogger(__name__)


class CellStore:
    """<folder>/<key>/{history.csv, samples.safetensors, scores.json}, the last written last.

    checkpoints: of cells that are not done.
    """

    def __init__(self, folder: Path, checkpoints: Path) -> None:
        self.folder, self.checkpoints = folder, CheckpointFolder(checkpoints)

    def has(self, key: str) -> bool:
        """Whether a cell is done, without looking into its files."""
        return (self.folder / key / "scores.json").is_file()

    def find(self, key: str) -> CellResult | None:
        """The result of a cell; None where it is not done, or damaged, which is logged."""
        if not self.has(key):
            return None
        scores, history, samples = self._files(key)
        try:
            card = scores.load()
            drawn = {} if card.diverged else samples.load().tensors
            return CellResult(card, history.load(), drawn.get("samples"), drawn.get("neighbours"))
        except (PaperganError, DatasetError) as problem:
            log.warning("cell %s is played again: %s", key, problem)
            return None

    def keep(self, key: str, result: CellResult) -> None:
        """A result, once and for all."""
        scores, history, samples = self._files(key)
        history.save(result.history)
        drawn = {"samples": result.samples, "neighbours": result.neighbours}
        samples.save(Weights({name: images for name, images in drawn.items() if images is not None}))
        scores.save(result.card)

    def _files(self, key: str) -> tuple[ScoreCardDataset, HistoryDataset, WeightsDataset]:
        folder = self.folder / key
        return (
            ScoreCardDataset(filepath=str(folder / "scores.json")),
            HistoryDataset(filepath=str(folder / "history.csv")),
            WeightsDataset(filepath=str(folder / "samples.safetensors")),
        )


class CellsDataset(AbstractDataset[NoReturn, CellStore]):
    """Loads a CellStore, which need not exist yet; what is in it is saved through it."""

    def __init__(self, *, filepath: str, checkpoints: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder, self._checkpoints = Path(filepath), Path(checkpoints)
        self.metadata = metadata

    def load(self) -> CellStore:
        return CellStore(self._folder, self._checkpoints)

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._folder}: results of cells are saved by the node that plays them")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder), "checkpoints": str(self._checkpoints)}
