"""Hooks at the end of a run: a summary of tables and paths, and the exit status where a training diverged or failed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from papergan.config.registry import is_dry_run
from papergan.datasets.page import Page, PageDataset
from papergan.errors import NotFiniteError, PaperganError
from papergan.hooks.mlflow_tracking import file_of
from papergan.messages import without_password
from papergan.pipelines.groups import experiment_of
from papergan.project import IN_CHECKOUT
from papergan.tracking.configuration import MlflowConfiguration, parse
from papergan.tracking.interface import run_page, table_page, ui_options
from papergan.tracking.tracker import run_places

SHOWN_FAILURES = 3  # trials that failed, in the message
SHOWN_OUTPUTS = (
    "samples", "progress", "curves", "history", "training_log", "scores", "generator", "model", "comparison", "page",
    "plot", "neighbours", "study_table", "study_losses", "study_scores", "study_samples", "study_neighbours",
    "sweep_page", "sound_page",
)  # fmt: skip
# figures of an experiment, which are listed on one line
FIGURE_OUTPUTS = (
    "further_curves", "over_time", "interpolation", "translations", "by_class", "codes", "style_mixing", "neighbours",
    "truncation",
)  # fmt: skip


class SummaryHook:
    """Prints the tables of a run, the paths of its main outputs, and the commands of MLflow and Kedro-Viz."""

    def __init__(self) -> None:
        self._mlflow: MlflowConfiguration | None = None
        self._console_texts: dict[str, str] = {}  # console text of pages, by dataset; of comparisons the newest

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read the addresses of MLflow's store and interface."""
        self._mlflow = None
        with suppress(ImportError):  # the tracking hook warns
            self._mlflow = MlflowConfiguration.of(parse(context.config_loader["mlflow"]))

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Clear the texts of an earlier run of this process."""
        self._console_texts = {}

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Keep tables for the end: of comparisons only the newest, since it contains the others."""
        if isinstance(data, Page) and data.console:
            what = "comparison" if dataset_name.endswith("comparison") else dataset_name
            self._console_texts.pop(what, None)
            self._console_texts[what] = data.console

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Print the tables of a run that failed: they show which training diverged, and when."""
        for text in self._console_texts.values():
            click.echo(f"\n{text}\n")

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Print the tables and the paths, after a run that made some."""
        if is_dry_run(run_params):
            return
        outputs = {name.rpartition(".")[2]: name for name in sorted(pipeline.all_outputs())}
        lines = [line for text in self._console_texts.values() for line in ("", text, "")]
        lines += [f"  {what + ':':<13} {where}" for what, where in _places(outputs, catalog)]
        if not lines:
            return
        experiment = next((experiment_of(node.namespace) for node in pipeline.nodes if node.namespace), None)
        if self._mlflow is not None and (experiment or "comparison" in outputs):  # tools leave no MLflow run
            lines += [f"  {label:<13} {where}" for label, where in mlflow_lines(self._mlflow)]
        shown = experiment or next((name.split(".")[0] for name in outputs.values() if "." in name), "comparison")
        if IN_CHECKOUT:  # Kedro-Viz shows projects, not packages
            lines.append(f"  {'Kedro-Viz:':<13} {_program('kedro')} viz run --pipeline {shown}")
        click.echo("\n".join([*lines, ""]))


def _places(outputs: Mapping[str, str], catalog: CatalogProtocol) -> Iterator[tuple[str, str]]:
    """Label and path of the main outputs; the figures of an experiment on one line."""
    pictures = [what for what in FIGURE_OUTPUTS if "samples" in outputs and what in outputs]
    for what in sorted(set(outputs) & set(SHOWN_OUTPUTS) - set(pictures)):
        dataset = catalog.get(outputs[what])
        yield what, _short(dataset.file("html") if isinstance(dataset, PageDataset) else file_of(dataset))
    if pictures:
        folder = file_of(catalog.get(outputs["samples"])).parents[2]
        yield "pictures", f"{_short(folder)}/{{{','.join(pictures)}}}.png/"


def mlflow_lines(mlflow: MlflowConfiguration) -> Iterator[tuple[str, str]]:
    """Label and text: the command that starts MLflow's interface, and the addresses of the runs of this command."""
    if (options := ui_options(mlflow)) is not None:
        yield "MLflow:", f"{_program('mlflow')} {options}"
    interface = without_password(mlflow.interface)
    for experiment_id in dict.fromkeys(experiment_id for experiment_id, _ in run_places.values()):
        yield "  all runs:", f"{interface}/{table_page(experiment_id)}"
    for experiment_id, run_id in run_places.values():
        yield "  this run:", f"{interface}/{run_page(experiment_id, run_id)}"


def _program(name: str) -> str:
    """The command to type: the program's name, or its path in an environment that is not activated."""
    return name if shutil.which(name) else _short(Path(sys.executable).parent / name)


def _short(path: Path) -> str:
    """The path, relative to the working directory if it lies below."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


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
            some = "; ".join(map(" ".join, list(self._failed.items())[:SHOWN_FAILURES]))
            raise PaperganError(f"{len(self._failed)} trials have no result; the same command tries them again: {some}")
