"""The exit status of a run in which a training diverged."""

from __future__ import annotations

from typing import Any

from kedro.framework.hooks import hook_impl

from papergan.errors import NotFiniteError


class DivergenceHook:
    """Raises an error that names the trainings that diverged, after all nodes of the command have run."""

    def __init__(self) -> None:
        self._diverged: dict[str, str] = {}

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Clear the state of an earlier run of this process."""
        self._diverged.clear()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Record a score card of a run that diverged."""
        from papergan.evaluation.scorecard import ScoreCard

        if isinstance(data, ScoreCard) and data.diverged is not None:
            self._diverged[data.experiment] = data.diverged

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Raise NotFiniteError, one line, where a training diverged."""
        if self._diverged:
            raise NotFiniteError("; ".join(f"{name} {what}" for name, what in self._diverged.items()))
