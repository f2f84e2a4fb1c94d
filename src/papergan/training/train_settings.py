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

    steps: training steps in all. report_as: means since the last report, or the values of the reported step
    alone, its number counted anew in every epoch, as the scripts of papers print them. evaluate_every: steps between
    evaluations, 0 for none (the end is always evaluated); where batch sizes change, as large a share of an epoch as so
    many steps are of the first size. save_minutes: wall-clock minutes between checkpoints.
    keep: best generators by metric. batch_norm_batches: for re-estimating BatchNorm of an averaged generator.
    averaged: whether the average is evaluated, where the game keeps one. cuda_graphs: record steps on a GPU, see
    `GraphedStep`. rules: under which evaluation measures; numbers measured under other rules before are not mixed with
    those to come.
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
    rules: str = ""
    keep: Mapping[str, Criterion] = field(default_factory=dict)
