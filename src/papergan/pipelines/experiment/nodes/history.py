"""The history of a training: curves of losses and metrics with their best epochs, and the log as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.datasets.page import Page
from papergan.metrics.registry import (
    AUXILIARY_METRICS,
    BEST_AT_HALF,
    DISCRIMINATOR_METRICS,
    METRICS,
    Metric,
    is_better,
    prefix_and_metric,
)
from papergan.pipelines.experiment.nodes.scorecard import non_default_settings
from papergan.reporting.pages import console_table
from papergan.reporting.published_results import PublishedLog, published_log
from papergan.reporting.training_log import log_table, published_epoch
from papergan.training.history import History, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
NORM = ".gradient_norm"
FIRST = (("fid",), ("is_mean",), ("precision", "recall"), ("coverage",))  # each the metrics of one panel


def draw_curves(experiment: Experiment, history: History, published: Mapping[str, Any]) -> tuple[object, object]:
    """Two figures over epochs: losses and the main metrics, and everything else that was measured.

    The first has losses, controllers, the level of networks that grow, FID, IS, precision and recall, coverage, and the
    discriminator's accuracy as in tahvili2025, figure 2. The best value of a metric is marked where one direction is
    better; deviations are drawn as bars. Numbers from a paper's training log are crosses.
    published: conf/base/published.yml.
    Returns matplotlib Figures; not annotated so, because importing it takes half a second and Kedro reads annotations.
    """
    log, panels = published_log(published, experiment.name), _panels(history)
    first = [(" and ".join(METRICS[name].title for name in names if name in panels), names) for names in FIRST]
    shown = [(title, [one for name in names for one in panels.pop(name, [])]) for title, names in first]
    accuracies = [(title, [name]) for name, title in DISCRIMINATOR_METRICS.items() if panels.pop(name, None)]
    shown = [*_reported(history), *(panel for panel in shown if panel[1]), *accuracies[:1]]
    rest = [*((METRICS[name].title, found) for name, found in panels.items()), *accuracies[1:]]
    return _figure(experiment, shown, history, log), _figure(experiment, rest, history, log)


def _figure(
    experiment: Experiment, panels: Sequence[tuple[str, list[str]]], history: History, log: PublishedLog | None
) -> object:
    """One figure of these panels, each a title and the names of the curves."""
    from matplotlib.figure import Figure

    rows = max(1, ceil(len(panels) / COLUMNS))
    figure = Figure(figsize=(5 * COLUMNS, 3.2 * rows), layout="constrained")
    title = f"{experiment.name} on {experiment.recipe.dataset_name}, recipe {experiment.recipe.fingerprint}"
    figure.suptitle(title if panels else f"{title}: nothing more was measured")
    for place, (title, names) in enumerate(panels, 1):
        rows_of = history.losses if all("." in name for name in names) else history.metrics
        _plot(figure.add_subplot(rows, COLUMNS, place), title, rows_of, names, log)
    return figure


def _reported(history: History) -> list[tuple[str, list[str]]]:
    """The panels of losses: the players' terms, then one per controller, and for networks that follow the progress.

    Players are recognised by their gradient norm.
    """
    names = sorted({name for row in history.losses for name in row if "." in name})
    players = {name.split(".")[0] for name in names if name.endswith(NORM)}
    losses = [name for name in names if name.split(".")[0] in players and not name.endswith(NORM)]
    controllers = dict.fromkeys(name.split(".")[0] for name in names if name.split(".")[0] not in players)
    return [
        ("losses, weighted", losses),
        *((owner, [name for name in names if name.startswith(f"{owner}.")]) for owner in controllers),
    ]


def _panels(history: History) -> dict[str, list[str]]:
    """The measured names of each metric, by all extractors, in the order of METRICS; then the discriminator's."""
    names = {name for row in history.metrics for name in row}
    by_metric: dict[str, list[str]] = {}
    for name in sorted(names):
        found = prefix_and_metric(name)
        if found is not None and found[1].name not in AUXILIARY_METRICS:
            by_metric.setdefault(found[1].name, []).append(name)
    panels = {name: by_metric[name] for name in METRICS if name in by_metric}
    return panels | {name: [name] for name in DISCRIMINATOR_METRICS if name in names}


def _plot(axes: Axes, title: str, rows: Sequence[Row], names: Sequence[str], log: PublishedLog | None) -> None:
    for name in names:
        known = [row for row in rows if name in row]
        epochs, values = [row["epoch"] for row in known], [row[name] for row in known]
        (line,) = axes.plot(epochs, values, marker="." if len(known) < 100 else "", label=name)
        _plot_published(axes, name, log, line.get_color())
        found = prefix_and_metric(name)
        if found is None:
            continue
        deviations = [row.get(f"{found[0]}{found[1].deviation}", 0.0) for row in known]
        if any(deviations):
            axes.errorbar(epochs, values, deviations, fmt="none", ecolor=line.get_color(), alpha=0.5)
        if found[1].better != "real":
            best = _best(found[1], values)
            label = f"best {values[best]:.4g}, epoch {epochs[best]:g}"
            axes.plot(epochs[best], values[best], "*", color=line.get_color(), markersize=12, label=label)
    if any(name in BEST_AT_HALF or name.endswith("two_sample_accuracy") for name in names):
        axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.3)
    if names:
        axes.legend(fontsize="x-small")


def _plot_published(axes: Axes, name: str, log: PublishedLog | None, colour: object) -> None:
    """Plot the published values of this number as crosses."""
    places = [place for place, ours in enumerate(log.columns.values()) if ours == name] if log is not None else []
    for place in places:
        assert log is not None
        epochs = [published_epoch(epoch, log) for epoch in range(1, len(log.rows) + 1)]
        label = f"published {list(log.columns)[place]}"
        axes.plot(epochs, [row[place] for row in log.rows], "x", color=colour, label=label)


def _best(metric: Metric, values: Sequence[float]) -> int:
    best = 0
    for place, value in enumerate(values):
        best = place if is_better(metric, value, values[best]) else best
    return best


def write_log(experiment: Experiment, history: History, published: Mapping[str, Any]) -> Page:
    """The page with one line per epoch: published numbers next to ours at the same step, or the epoch's last report.

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
        f"batch {_sizes(recipe)}; {values}; weighted terms",
        *non_default_settings(recipe),
    ]
    if log is not None:
        done = history.losses[-1]["epoch"] if history.losses else 0
        notes += [
            f"published: {log.caption}; step {log.step} of {log.of} of each epoch",
            f"{done:g} epochs here, {len(log.rows)} published",
        ]
    return notes


def _sizes(recipe: Recipe) -> str:
    """The batch sizes in words: "16", or "32, 16 from 24,000 images on"."""
    changes = sorted(recipe.training.batch_sizes.items())
    return ", ".join([str(recipe.training.batch_size), *(f"{size} from {at:,} images on" for at, size in changes)])


def _cell(value: object) -> object:
    """A number with four decimals, as papers print losses; three significant digits below 0.001."""
    if not isinstance(value, float) or value != value:
        return value
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{value:.3g}"
