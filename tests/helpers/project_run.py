"""Whole runs of the project, in this process or in one that can be interrupted, in a workspace of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from papergan.evaluation.scorecard import ScoreCard
from papergan.runner import ExperimentRunner

PROJECT = Path(__file__).resolve().parents[2]
EXPERIMENT = "hybrid_cifar10"
KEDRO = [sys.executable, "-c", "from kedro.framework.cli import main; main()"]


@cache
def _command() -> KedroCLI:
    return KedroCLI(PROJECT)


def kedro_here() -> KedroCLI:
    """`kedro` as it starts, in this process: settings are read once, pipelines are named anew for every command."""
    command = _command()
    pipelines.configure("papergan.pipeline_registry")
    return command


def environment(workspace: Path) -> dict[str, str]:
    """Of a process whose data/ and mlruns/ are in `workspace`; one thread, so that the same bits come out."""
    return {**os.environ, "PAPERGAN_WORKSPACE": str(workspace), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def run_here(pipeline: str, *, env: str = "test", params: dict[str, Any] | None = None, **options: Any) -> None:
    """A run in this process; the caller has set PAPERGAN_WORKSPACE."""
    kedro_here()
    with KedroSession.create(PROJECT, env=env, runtime_params=params or {}) as session:
        session.run(pipeline_names=pipeline.split(","), runner=ExperimentRunner(), **options)


def command_here(*arguments: str) -> Result:
    """`kedro <arguments>` in this process; the caller has set PAPERGAN_WORKSPACE where it matters."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        return CliRunner().invoke(kedro_here(), list(arguments))
    finally:
        signal.signal(signal.SIGTERM, handler)


def run_there(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kedro <arguments>` to its end."""
    return subprocess.run(
        [*KEDRO, *arguments], cwd=PROJECT, env=environment(workspace), capture_output=True, text=True, timeout=240
    )


def start_there(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    """`kedro <arguments>`, to be interrupted."""
    return subprocess.Popen(
        [*KEDRO, *arguments], cwd=PROJECT, env=environment(workspace), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def score_card(**changes: Any) -> ScoreCard:
    """A card of a run on drawn shapes, measured with the domain classifier on 100 samples."""
    rules = {
        "extractor": "domain", "extractor_digest": "e" * 64, "preprocessing": "p", "num_samples": 100,
        "reference_name": "synthetic_shapes/train", "reference_split": "train", "reference_digest": "r" * 64,
        "reference_count": 500, "held_out_digest": "h" * 64, "held_out_count": 100, "floor_count": 100,
        "inception_splits": 2,
    }  # fmt: skip
    final = {"domain_is_mean": 2.0, "domain_is_std": 0.1, "domain_num_samples": 100.0, "domain_fid_floor": 1.0}
    content = {
        "experiment": EXPERIMENT, "system": "hybrid", "paper": "tahvili2025", "dataset": "synthetic_shapes/train",
        "data_digest": "d" * 64, "recipe_fingerprint": "f" * 12, "variant": "v" * 12, "seed": 0,
        "device": "cpu", "hardware": "a processor",
        "commit": "c" * 40, "dirty": False, "versions": {"torch": "2"}, "epochs": 1.0, "steps": 12, "images_seen": 192,
        "training_seconds": 1.0, "diverged": None, "generator_digest": "a" * 64, "protocols": [rules],
        "best_fid": None, "best_is": None, "real_rows": [], "notes": [],
    }  # fmt: skip
    return ScoreCard.model_validate(content | changes | {"final": final | changes.get("final", {"domain_fid": 9.0})})
