"""The tracker of an experiment, to which training nodes report, as a Kedro dataset."""

from __future__ import annotations

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from papergan.tracking import Tracker
from papergan.tracking.tracker import active_trackers


class TrackerDataset(AbstractDataset[NoReturn, Tracker]):
    """Loads the tracker of the open MLflow run of `name`, or one that records nothing if there is no such run."""

    def __init__(self, *, name: str, metadata: dict[str, Any] | None = None) -> None:
        self.name, self.metadata = name, metadata

    def load(self) -> Tracker:
        return active_trackers.get(self.name, Tracker())

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self.name}.tracker is given by the MLflow hook; no node may save it")

    def _describe(self) -> dict[str, Any]:
        return {"name": self.name}
