"""The history of a training run: rows of losses and metrics, the same however often the run was interrupted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Row = dict[str, float]
ReportAs = Literal["means", "step"]


class RunningMean:
    """Running means of scalars on the device; the host waits only once, when they are read.

    newest: keep only the newest values instead of means.
    """

    def __init__(self, *, newest: bool = False) -> None:
        self.newest = newest
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add one value per name. The tensors are not kept and may be overwritten afterwards."""
        if self.newest and self._sums.keys() != values.keys():
            self._sums, self._counts = {}, {}
        known = [name for name in values if name in self._sums]
        if known:
            put = torch._foreach_copy_ if self.newest else torch._foreach_add_
            put([self._sums[name] for name in known], [values[name] for name in known])
        for name, value in values.items():
            if name not in self._sums:
                self._sums[name] = value.clone()
            self._counts[name] = 1 if self.newest else self._counts.get(name, 0) + 1

    def read(self) -> Row:
        """Means since the last reading, or the newest values."""
        if not self._sums:
            return {}
        sums = torch.stack([value.float() for value in self._sums.values()]).tolist()
        means = {name: total / self._counts[name] for name, total in zip(self._sums, sums, strict=True)}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": {name: total.clone() for name, total in self._sums.items()}, "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        self._sums = {name: total.to(device, copy=True) for name, total in state["sums"].items()}
        self._counts = dict(state["counts"])


class History:
    """Rows by step: `losses` at every report, `metrics` at every evaluation. Stored inside the checkpoint."""

    def __init__(self) -> None:
        self.losses: list[Row] = []
        self.metrics: list[Row] = []

    def dumps(self) -> str:
        return json.dumps({"losses": self.losses, "metrics": self.metrics})

    def loads(self, text: str) -> None:
        kept = json.loads(text)
        self.losses, self.metrics = kept["losses"], kept["metrics"]
