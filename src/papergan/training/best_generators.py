"""The best generators so far, by metrics evaluated during training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from papergan.game.sampler import Sampler
from papergan.game.schedules import Progress


@dataclass(frozen=True)
class Criterion:
    """A metric by which generators are compared, and whether lower is better."""

    metric: str
    lower_is_better: bool

    def better(self, new: float, old: float) -> bool:
        return new < old if self.lower_is_better else new > old


@dataclass(frozen=True)
class Snapshot:
    """A kept generator: its weights on the host, step, epoch, and the value of the metric."""

    step: int
    epoch: float
    value: float
    weights: dict[str, Tensor]


class BestGenerators:
    """Keeps one snapshot per criterion, for example of the lowest FID and the highest IS, from different epochs."""

    def __init__(self, criteria: Mapping[str, Criterion]) -> None:
        self.criteria = dict(criteria)
        self.snapshots: dict[str, Snapshot] = {}

    def consider(self, sampler: Sampler, metrics: Mapping[str, float], progress: Progress) -> None:
        """Keep this generator for every criterion by which it is better. A missing metric changes nothing."""
        for name, criterion in self.criteria.items():
            if criterion.metric not in metrics:
                continue
            score = metrics[criterion.metric]
            if name not in self.snapshots or criterion.better(score, self.snapshots[name].value):
                weights = {key: tensor.detach().cpu().clone() for key, tensor in sampler.state_dict().items()}
                self.snapshots[name] = Snapshot(progress.step, progress.epoch, score, weights)

    def state_dict(self) -> dict[str, Any]:
        return {name: vars(snapshot) for name, snapshot in self.snapshots.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.snapshots = {name: Snapshot(**kept) for name, kept in state.items() if name in self.criteria}
