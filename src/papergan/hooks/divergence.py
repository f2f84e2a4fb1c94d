"""The exit status of a run in which a training diverged, or a trial of a study failed."""

from __future__ import annotations

from typing import Any

from kedro.framework.hooks import hook_impl

from papergan.errors import NotFiniteError, PaperganError

SHOWN = 3  # trials that failed


class DivergenceHook:
    """Raises an error that names the trainings that diverged or failed, after all nodes of the command have run."""

    def __init__(self) -> None:
        self._diverged: dict[str, str] = {}
        self._failed: dict[str, str] = {}  # trials of studies

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Clear the state of an earlier run of this process."""
        self._diverged.clear()
        self._failed.clear()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Record a score card of a run that diverged, and trials that failed."""
        from papergan.evaluation.scorecard import ScoreCard
        from papergan.studies.worker import failures

        if dataset_name.endswith(".finished"):
            self._failed |= failures(data)
        if isinstance(data, ScoreCard) and data.diverged is not None:
            self._diverged[data.experiment] = data.diverged

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Raise NotFiniteError, one line, where a training diverged; PaperganError where a trial failed."""
        if self._diverged:
            raise NotFiniteError("; ".join(f"{name} {what}" for name, what in self._diverged.items()))
        if self._failed:
            some = "; ".join(map(" ".join, list(self._failed.items())[:SHOWN]))
            raise PaperganError(f"{len(self._failed)} trials have no result; the same command tries them again: {some}")
