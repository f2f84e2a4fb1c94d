"""The settings of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from papergan.training.best_generators import Criterion
from papergan.training.history import ReportAs
from papergan.training.numerics import Precision


@dataclass(frozen=True)
class TrainSettings:
    """The settings of a training run, apart from the game and the images.

    steps: total training steps. report_as: means since the last report, or only the values of the reported step,
    with steps counted from the start of each epoch, as the scripts of papers print them. evaluate_every: steps between
    evaluations, 0 for none (the end is always evaluated); if batch sizes change, the interval is the share of an epoch
    that this many steps of the first size take. save_minutes: wall-clock minutes between checkpoints.
    keep: best generators by metric. batch_norm_batches: for re-estimating BatchNorm of an averaged generator.
    averaged: whether the average is evaluated, if the game keeps one. cuda_graphs: record steps on a GPU, see
    `GraphedStep`. resume: whether the same command would continue from the checkpoints, for the message of a stop.
    rules: the evaluation rules; metrics measured under other rules before are not mixed with new ones.
    """

    steps: int
    seed: int = 0
    precision: Precision = "float32"
    deterministic: bool = False
    cuda_graphs: bool = False
    report_every: int = 50
    report_as: ReportAs = "means"
    evaluate_every: int = 0
    save_minutes: float = 5.0
    batch_norm_batches: int = 100
    averaged: bool = True
    resume: bool = True
    rules: str = ""
    keep: Mapping[str, Criterion] = field(default_factory=dict)
