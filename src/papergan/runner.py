"""The runner of `kedro run`: one experiment after another; an error in one does not stop the next."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from pluggy import PluginManager

from papergan.config.registry import DRY_RUN
from papergan.errors import ExperimentsFailedError, PaperganError, StorageError, known_cause
from papergan.pipelines.groups import experiment_of
from papergan.training.process_group import ProcessGroupError, is_broken


class ExperimentRunner(SequentialRunner):
    """Runs the nodes of each experiment together, one experiment after another as Kedro sorts them: by name.

    Kedro's runner stops at the first error. Here, if an experiment fails with an error that the user can act on
    (missing weights, too little memory), the others continue and the error is raised at the end. A full disk, lost
    processes and bugs stop everything at once.
    """

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("kedro.runner")  # the same log level as Kedro's own runner

    def __str__(self) -> str:
        """The description by which Kedro-Viz recognises a sequential runner."""
        return f"{type(self).__name__}, a kedro.runner.sequential_runner.SequentialRunner object"

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        failed: dict[str, PaperganError] = {}
        parts = _by_experiment(pipeline)
        for name, part in parts.items():
            try:
                super()._run(part, catalog, hook_manager, run_id)
            except Exception as error:
                cause = known_cause(error)
                if cause is None or isinstance(cause, StorageError | ProcessGroupError) or is_broken():
                    raise
                failed[name] = cause
        if len(failed) == 1 and len(parts) == 1:
            raise next(iter(failed.values()))
        if failed:
            raise ExperimentsFailedError(failed)

    def _suggest_resume_scenario(self, pipeline: Pipeline, done_nodes: Iterable[Node], catalog: Any) -> None:
        """Suggest nothing: the same command continues where it stopped."""


class DryRunner(SequentialRunner):
    """Runs no node: for `kedro run --dry-run`, whose checks and plan come from the hooks before a run."""

    def __str__(self) -> str:
        """The name by which hooks recognise a dry run, and Kedro-Viz a sequential runner."""
        return f"{DRY_RUN}, a kedro.runner.sequential_runner.SequentialRunner object"

    def _run(self, *arguments: Any, **options: Any) -> None:
        """Run nothing."""


def _by_experiment(pipeline: Pipeline) -> dict[str, Pipeline]:
    """The pipeline split by experiment; nodes of no experiment come first, under ""."""
    nodes: dict[str, list[Node]] = {}
    for node in pipeline.nodes:
        nodes.setdefault(experiment_of(node.namespace), []).append(node)
    return {name: Pipeline(nodes[name]) for name in sorted(nodes, key=lambda name: name != "")}
