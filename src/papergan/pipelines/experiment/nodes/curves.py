"""What happened while training, drawn: losses, and every metric with its best epoch marked."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from papergan.evaluation.metrics import BESIDE, HALF_IS_BEST, JUDGE, METRICS, Metric, is_better, prefix_and_metric
from papergan.pipelines.checked import Experiment
from papergan.training.history import History, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
POSITION = ("step", "epoch", "images")


def draw_curves(experiment: Experiment, history: History) -> object:
    """Losses, scores and the discriminator's accuracy over epochs, one panel each, as in document 000, figure 2.

    The best value of a metric is marked where a value is better in itself; deviations are drawn as bars.
    Returns a matplotlib Figure; not annotated so, because importing it takes half a second and Kedro reads annotations.
    """
    from matplotlib.figure import Figure

    panels = _panels(history)
    rows = ceil((1 + len(panels)) / COLUMNS)
    figure = Figure(figsize=(5 * COLUMNS, 3.2 * rows), layout="constrained")
    figure.suptitle(f"{experiment.name} on {experiment.recipe.dataset}, recipe {experiment.recipe.fingerprint}")
    losses = {name for row in history.losses for name in row if "." in name and "norm" not in name}
    _draw(figure.add_subplot(rows, COLUMNS, 1), "losses, weighted", history.losses, sorted(losses))
    for place, (title, names) in enumerate(panels, 2):
        _draw(figure.add_subplot(rows, COLUMNS, place), title, history.metrics, names)
    return figure


def _panels(history: History) -> list[tuple[str, list[str]]]:
    """Title and metrics of each panel: a metric by all extractors together, in the order of METRICS."""
    seen = {name for row in history.metrics for name in row}
    by_metric: dict[str, list[str]] = {}
    for name in sorted(seen):
        found = prefix_and_metric(name)
        if found is not None and found[1].name not in BESIDE:
            by_metric.setdefault(found[1].name, []).append(name)
    panels = [(METRICS[name].title, by_metric[name]) for name in METRICS if name in by_metric]
    panels += [(title, [name]) for name, title in JUDGE.items() if name in seen]
    return panels


def _draw(axes: Axes, title: str, rows: Sequence[Row], names: Sequence[str]) -> None:
    for name in names:
        seen = [row for row in rows if name in row]
        epochs, values = [row["epoch"] for row in seen], [row[name] for row in seen]
        (line,) = axes.plot(epochs, values, marker="." if len(seen) < 100 else "", label=name)
        found = prefix_and_metric(name)
        if found is None:
            continue
        deviations = [row.get(f"{found[0]}{found[1].deviation}", 0.0) for row in seen]
        if any(deviations):
            axes.errorbar(epochs, values, deviations, fmt="none", ecolor=line.get_color(), alpha=0.5)
        if found[1].better != "real":
            best = _best(found[1], values)
            label = f"best {values[best]:.4g}, epoch {epochs[best]:g}"
            axes.plot(epochs[best], values[best], "*", color=line.get_color(), markersize=12, label=label)
    if any(name in HALF_IS_BEST or name.endswith("two_sample_accuracy") for name in names):
        axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.3)
    if names:
        axes.legend(fontsize="x-small")


def _best(metric: Metric, values: Sequence[float]) -> int:
    best = 0
    for place, value in enumerate(values):
        best = place if is_better(metric, value, values[best]) else best
    return best
