"""Small games one after another, in one worker, and in two: the cost of a worker, and the gain from two.

OMP_NUM_THREADS=1 python benchmarks/trials_at_once.py --steps 2000 --trials 8
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from papergan.config.mode_stress import ModeStressRecipe, ModeTrial, trials_of
from papergan.datasets.trial_results import ModeTrialStore
from papergan.studies.local_workers import LocalWorkers
from papergan.studies.points.trials import PointsTrainer
from papergan.studies.runner import run_trials
from papergan.studies.worker import Assignment
from papergan.studies.workers import run_on
from papergan.tracking import Tracker

GAME = {
    "paper": "gan_optimisation_review", "batch_size": 256, "samples": 500, "levels": {"hinge": {"loss": "hinge"}},
    "common": {"latent_dim": 16, "width": 64},
    "targets": {"ring": {"kind": "ring", "modes": 8, "scale": 2.0, "deviation": 0.02}},
}  # fmt: skip


class Clock(Tracker):
    """Records when the first trial began."""

    first = float("inf")

    @contextmanager
    def nested(
        self, name: str, parameters: Mapping[str, object], tags: Mapping[str, str], *, began: float | None = None
    ) -> Iterator[Tracker]:
        """Record the time at which the trial began."""
        self.first = min(self.first, began or time.time())
        yield Tracker()


def seconds(trials: list[ModeTrial], workers: int) -> tuple[float, float]:
    """Seconds from the first trial's start to the end of all, and seconds before it. workers: 0 = in this process."""
    with TemporaryDirectory() as folder:
        store, clock, began = ModeTrialStore(Path(folder), Path(folder) / "work"), Clock(), time.time()
        if workers == 0:
            run_trials(trials, PointsTrainer(store), store, clock)
        else:
            assignment = Assignment(PointsTrainer(store), store, 1, Path(folder, "note"))
            assignment.publish()
            pool = LocalWorkers(assignment, workers, 1)
            run_on(pool, trials, lambda trial: "", store, clock)
            pool.close(stop=False)
        return time.time() - clock.first, clock.first - began


def main() -> None:
    """Measure, and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable()
    about = {"seeds": list(range(given.trials)), "steps": given.steps, "every_steps": given.steps}
    trials = trials_of(ModeStressRecipe.parse("game", GAME | about))
    seconds(trials[:1], 0)  # torch's one-time initialisation
    for _ in range(given.repeats):
        (plain, _), (one, start), (two, _) = (seconds(trials, workers) for workers in (0, 1, 2))
        row = {"trials": given.trials, "steps": given.steps, "one_after_another": plain, "one_worker": one}
        row |= {"two_workers": two, "worker_start": start, "two_at_once_ratio": plain / two}
        row["overhead_per_trial"] = (one - plain) / given.trials
        print(json.dumps({name: round(value, 3) for name, value in row.items()}), flush=True)


if __name__ == "__main__":
    main()
