"""Stores of trial results: the node that runs the trials looks up existing results and adds new ones."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from kedro.io import DatasetError

from papergan.config.channel_study import ChannelResult
from papergan.config.mode_stress import ModeResult
from papergan.config.sound_study import SoundResult
from papergan.config.study import TrialResult
from papergan.config.trials import TensorRecord, TrialRecord
from papergan.config.vector_study import VectorResult
from papergan.datasets.atomic_file import CopiedFolderDataset
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.datasets.history import HistoryDataset
from papergan.datasets.scores import ScoreCardDataset
from papergan.datasets.weights import WeightsDataset
from papergan.errors import EvaluationError, PaperganError
from papergan.remote_copy import RemoteCopy
from papergan.training.checkpoint import CheckpointStore
from papergan.weights import Weights

logger = logging.getLogger(__name__)

E = TypeVar("E")
R = TypeVar("R", bound=TrialRecord)
S = TypeVar("S", bound=TensorRecord)


class TrialStore(ABC, Generic[E]):
    """Results in one folder, by the key of their trial.

    checkpoints: folder for unfinished trials; those of a trial are deleted when its result is stored. remote: where
    results and checkpoints are copied to, and fetched from if they are not here; None = nowhere.
    """

    def __init__(self, folder: Path, checkpoints: Path, remote: RemoteCopy | None = None) -> None:
        self.folder, self.checkpoints, self.remote = folder, CheckpointFolder(checkpoints, remote), remote

    def find(self, key: str) -> E | None:
        """The result of a trial; None if it is not finished, or damaged, which is logged.

        Raises StorageError if the storage of copies does not answer.
        """
        *others, last = self._paths(key)
        if self.remote is not None and not last.exists() and self.remote.has(last):
            for path in (*others, last):
                self.remote.fetch(path)
        try:
            return self._load(key)
        except (PaperganError, DatasetError) as error:
            logger.warning("trial %s is run again: %s", key, error)
            return None

    def keep(self, key: str, result: E) -> None:
        """Store a result permanently, and delete the checkpoints of its trial."""
        self._save(key, result)
        if self.remote is not None:
            for path in filter(Path.exists, self._paths(key)):
                self.remote.send(path)
        self._clear(key, result)

    @abstractmethod
    def _paths(self, key: str) -> list[Path]:
        """The files of a result; the last one is written last, and only then does the result count."""

    @abstractmethod
    def _save(self, key: str, result: E) -> None: ...

    @abstractmethod
    def _clear(self, key: str, result: E) -> None:
        """Delete the checkpoints of a trial whose result is stored."""

    @abstractmethod
    def _load(self, key: str) -> E | None:
        """The result; None if there is none. Raises PaperganError or DatasetError if it is damaged."""


class ExperimentTrialStore(TrialStore[TrialResult]):
    """Results of experiments: <folder>/<key>/{history.csv, samples.safetensors, scores.json}, the last written last."""

    def _load(self, key: str) -> TrialResult | None:
        if not (self.folder / key / "scores.json").is_file():
            return None
        scores, history, samples = self._files(key)
        card = scores.load()
        drawn = {} if card.ended_early else samples.load().tensors
        return TrialResult(card, history.load(), drawn.get("samples"), drawn.get("neighbours"))

    def _paths(self, key: str) -> list[Path]:
        return [self.folder / key / name for name in ("history.csv", "samples.safetensors", "scores.json")]

    def _save(self, key: str, result: TrialResult) -> None:
        scores, history, samples = self._files(key)
        history.save(result.history)
        drawn = {"samples": result.samples, "neighbours": result.neighbours}
        samples.save(Weights({name: images for name, images in drawn.items() if images is not None}))
        scores.save(result.card)

    def _clear(self, key: str, result: TrialResult) -> None:
        store = self.checkpoints.open(result.card.recipe_fingerprint)
        with store.locked():
            store.clear()

    def _files(self, key: str) -> tuple[ScoreCardDataset, HistoryDataset, WeightsDataset]:
        history, samples, scores = (str(path) for path in self._paths(key))
        return ScoreCardDataset(filepath=scores), HistoryDataset(filepath=history), WeightsDataset(filepath=samples)


class RecordDataset(DigestedJSONDataset[R]):
    """A result that is a dataclass of plain values, as JSON. record: its class. Raises EvaluationError for others."""

    remedy = "it is run again"

    def __init__(self, path: Path, record: type[R]) -> None:
        super().__init__(filepath=str(path))
        self._record, self.what = record, record.what

    def _to_document(self, data: R) -> dict[str, Any]:
        return asdict(data)

    def _from_document(self, document: dict[str, Any]) -> R:
        try:
            return self._record(**document)
        except TypeError as error:
            raise EvaluationError(str(error)) from error


class FileTrialStore(TrialStore[R]):
    """Results of trials without images: <folder>/<key>.json. record: their class."""

    record: type[R]

    @contextmanager
    def unfinished(self, key: str) -> Iterator[CheckpointStore]:
        """The checkpoints of a trial, which no other process can train inside the block.

        Raises CheckpointError if another process is training it.
        """
        store = self.checkpoints.open(key)
        with store.reserve():
            yield store

    def _load(self, key: str) -> R | None:
        dataset = self._file(key)
        return dataset.load() if dataset.path.is_file() else None

    def _paths(self, key: str) -> list[Path]:
        return [self._file(key).path]

    def _save(self, key: str, result: R) -> None:
        self._file(key).save(result)

    def _clear(self, key: str, result: R) -> None:
        self.checkpoints.open(key).clear()

    def _file(self, key: str) -> RecordDataset[R]:
        return RecordDataset(self.folder / f"{key}.json", self.record)


class TensorTrialStore(FileTrialStore[S]):
    """Results with tensors: <folder>/<key>.safetensors, and <key>.json, the last written last."""

    def _load(self, key: str) -> S | None:
        if (found := super()._load(key)) is None:
            return None
        weights = self._tensors(key).load()
        if weights.digest != found.digest:
            raise EvaluationError(f"{self._tensors(key).path} is not of the result beside it")
        return replace(found, tensors=weights.tensors)

    def _paths(self, key: str) -> list[Path]:
        return [self.folder / f"{key}.safetensors", *super()._paths(key)]

    def _save(self, key: str, result: S) -> None:
        weights = Weights(result.tensors)
        self._tensors(key).save(weights)
        super()._save(key, replace(result, tensors={}, digest=weights.digest))

    def _tensors(self, key: str) -> WeightsDataset:
        return WeightsDataset(filepath=str(self._paths(key)[0]))


class ModeTrialStore(FileTrialStore[ModeResult]):
    """Results of trials on points."""

    record = ModeResult


class ChannelTrialStore(FileTrialStore[ChannelResult]):
    """Results of trials of the channel study."""

    record = ChannelResult


class SoundTrialStore(TensorTrialStore[SoundResult]):
    """Results of trials of the sound study."""

    record = SoundResult


class VectorTrialStore(TensorTrialStore[VectorResult]):
    """Results of trials of the vector study."""

    record = VectorResult


AnyTrialStore = ExperimentTrialStore | ModeTrialStore | ChannelTrialStore | SoundTrialStore | VectorTrialStore
KINDS: dict[str, type[AnyTrialStore]] = {
    "experiments": ExperimentTrialStore, "modes": ModeTrialStore, "channels": ChannelTrialStore,
    "sounds": SoundTrialStore, "vectors": VectorTrialStore,
}  # fmt: skip


class TrialStoreDataset(CopiedFolderDataset[AnyTrialStore]):
    """Loads a TrialStore.

    trials: one of `KINDS`. checkpoints: the folder for the checkpoints of unfinished trials.
    """

    saved_by = "results of trials are saved by the node that runs them"

    def __init__(
        self, *, filepath: str, trials: str, checkpoints: str, remote: dict[str, str | None] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        if trials not in KINDS:
            raise ValueError(f"expected trials: one of {', '.join(KINDS)}, got {trials}")
        super().__init__(filepath=filepath, remote=remote, metadata=metadata)
        self._trials, self._checkpoints = trials, Path(checkpoints)

    def load(self) -> AnyTrialStore:
        return KINDS[self._trials](self.folder, self._checkpoints, self.remote)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "checkpoints": str(self._checkpoints)}
