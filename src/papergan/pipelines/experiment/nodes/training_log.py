"""The training log as a page, beside the published one where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from papergan.config.checked import Experiment
from papergan.datasets.page import Page
from papergan.pipelines.experiment.nodes.scorecard import non_default_settings
from papergan.reporting.pages import console_table
from papergan.reporting.published_results import PublishedLog, published_log
from papergan.reporting.training_log import log_table
from papergan.training.history import History


def write_log(experiment: Experiment, history: History, published: Mapping[str, Any]) -> Page:
    """One line per epoch: the published numbers beside those of the same step here, or the last report of the epoch.

    published: conf/base/published.yml. The console has it only where a log is published.
    """
    log = published_log(published, experiment.name)
    table = log_table(history.losses, log)
    shown = table.map(_cell).rename(columns=str)
    title, notes = f"Training log of {experiment.name}", _notes(experiment, history, log)
    console = "\n".join([title, console_table(shown), *notes]) if log else ""
    return Page.of([("Epochs", shown)], title, notes, table, console=console)


def _notes(experiment: Experiment, history: History, log: PublishedLog | None) -> list[str]:
    recipe = experiment.recipe
    size = f" at {recipe.image_size}x{recipe.image_size}" if recipe.image_size else ""
    values = "means since the last report" if recipe.training.report_as == "means" else "values of that step alone"
    notes = [
        f"recipe {recipe.fingerprint}, seed {recipe.seed}, {recipe.dataset_name}{size}, "
        f"batch {recipe.training.batch_size}; {values}; weighted terms",
        *non_default_settings(recipe),
    ]
    if log is not None:
        done = history.losses[-1]["epoch"] if history.losses else 0
        notes += [
            f"published: {log.caption}; step {log.step} of {log.of} of each epoch",
            f"{done:g} epochs here, {len(log.rows)} published",
        ]
    return notes


def _cell(value: object) -> object:
    """A number with four decimals, as papers print losses; three significant digits below 0.001."""
    if not isinstance(value, float) or value != value:
        return value
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.3g}"
