"""Figures of a study: losses, scores over time, and samples, one panel per group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from statistics import fmean
from typing import TYPE_CHECKING

from torch import Tensor

from papergan.metrics.registry import METRICS
from papergan.reporting.image_grid import make_grid
from papergan.studies.measures import is_measure_of, player_losses
from papergan.studies.seed_groups import ExperimentGroup, groups_by_table

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
OVER_TIME = ("fid", "is_mean", "recall", "coverage", "discriminator_accuracy_midpoint")
SAMPLES, NEAREST = 25, 3
PLAYERS = {"discriminator": "tab:blue", "generator": "tab:orange"}
Line = Sequence[tuple[float, float]]


def losses(groups: Sequence[ExperimentGroup], title: str) -> Figure:
    """Both players' losses, the sum of all terms, over epochs: a thin line per seed, a thick one for their mean."""

    def plot(axes: Axes, group: ExperimentGroup) -> None:
        for player, colour in PLAYERS.items():
            lines = [player_losses(result, player) for result in group.results]
            _plot(axes, [line for line in lines if line], player, colour)
        if max((abs(value) for value in axes.get_ylim()), default=0.0) > 50:
            axes.set_yscale("symlog", linthresh=1.0)  # an edge loss is a thousand times an adversarial one
        axes.set_xlabel("epoch")
        if axes.lines:
            axes.legend(fontsize="xx-small")
        axes.grid(alpha=0.3)

    return _multiples(groups, title, plot, 2.4)


def samples(groups: Sequence[ExperimentGroup], title: str) -> Figure:
    """Samples of 25 latents, for the first seed that finished."""

    def plot(axes: Axes, group: ExperimentGroup) -> None:
        images = group.first_ended and group.first_ended[1].samples
        _show(axes, group, None if images is None else images[:SAMPLES], 5)

    return _multiples(groups, title, plot, 3.4)


def neighbours(groups: Sequence[ExperimentGroup], title: str) -> Figure:
    """Eight samples, each to the left of its three nearest training images; for the first seed that finished."""

    def plot(axes: Axes, group: ExperimentGroup) -> None:
        images = group.first_ended and group.first_ended[1].neighbours
        _show(axes, group, None if images is None else images[:, : 1 + NEAREST].flatten(0, 1), 2 * (1 + NEAREST))

    return _multiples(groups, title, plot, 2.4)


def _show(axes: Axes, group: ExperimentGroup, images: Tensor | None, columns: int) -> None:
    axes.axis("off")
    if images is None:
        pruned = any(result.card.pruned for result in group.results)
        axes.text(0.5, 0.5, "pruned" if pruned else "diverged", ha="center", va="center")
        return
    picture = make_grid(images, columns).permute(1, 2, 0).numpy()
    axes.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def scores(groups: Sequence[ExperimentGroup], title: str) -> Figure:
    """Metrics over epochs, a panel per grid, data set and metric, a line per group: the mean over seeds.

    It is taken where all seeds have a value: they may have been evaluated at different epochs, or have ended early.
    """
    from matplotlib.figure import Figure

    parts = groups_by_table(groups)
    rows = [(part, members, names) for part, members in parts.items() if (names := _measured(members))]
    wide = max((len(names) for _, _, names in rows), default=1)
    figure = Figure(figsize=(4.6 * wide, 3.6 * max(1, len(rows))), layout="constrained")
    figure.suptitle(title)
    for row, ((grid, dataset), members, names) in enumerate(rows):
        legend: dict[str, Artist] = {}
        for column, name in enumerate(names):
            axes = figure.add_subplot(len(rows), wide, row * wide + column + 1)
            for place, group in enumerate(members):
                lines = [_of_history(result.history.metrics, name) for result in group.results]
                _plot(
                    axes,
                    [line for line in lines if line],
                    group.name,
                    f"C{place % 10}",
                    ("-", "--", ":")[place // 10 % 3],
                )
            axes.set(title=f"{grid}, {dataset}: {name}", xlabel="epoch")
            axes.title.set_fontsize("small")
            axes.grid(alpha=0.3)
            if name.endswith("fid"):
                axes.set_yscale("log")
            legend |= {str(line.get_label()): line for line in axes.get_lines()}
        named = {group.name: legend[group.name] for group in members if group.name in legend}
        axes.legend(named.values(), named, fontsize="xx-small", loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def _measured(groups: Sequence[ExperimentGroup]) -> list[str]:
    """The metrics that the groups have over time, in the order of OVER_TIME."""
    rows = [row for group in groups for result in group.results for row in result.history.metrics]
    names = {name for row in rows for name in row}
    return [
        name
        for metric in OVER_TIME
        for name in sorted(names)
        if (is_measure_of(metric, name) if metric in METRICS else name == metric)  # else no extractor measures it
    ]


def _of_history(rows: Sequence[dict[str, float]], name: str) -> Line:
    return [(row["epoch"], row[name]) for row in rows if name in row]


def _plot(axes: Axes, lines: Sequence[Line], label: str, colour: str, style: str = "-") -> None:
    if not lines:
        return
    for line in lines if len(lines) > 1 else ():
        axes.plot([epoch for epoch, _ in line], [value for _, value in line], color=colour, alpha=0.25, linewidth=0.6)
    values = [dict(line) for line in lines]
    epochs = [epoch for epoch in values[0] if all(epoch in others for others in values)]
    means = [fmean(of_seed[epoch] for of_seed in values) for epoch in epochs]
    axes.plot(epochs, means, style, color=colour, linewidth=1.4, label=label, marker="." if len(epochs) < 10 else "")


def _multiples(
    groups: Sequence[ExperimentGroup], title: str, plot: Callable[[Axes, ExperimentGroup], None], height: float
) -> Figure:
    from matplotlib.figure import Figure

    shown = [group for part in groups_by_table(groups).values() for group in part]
    columns = max(1, min(COLUMNS, ceil(sqrt(len(shown) or 1))))
    rows = max(1, ceil(len(shown) / columns))
    figure = Figure(figsize=(3.4 * columns, height * rows), layout="constrained")
    datasets = ", ".join(dict.fromkeys(group.dataset for group in shown))
    figure.suptitle(f"{title}\n{datasets}", fontsize="medium")
    for place, group in enumerate(shown, 1):
        axes = figure.add_subplot(rows, columns, place)
        names = (group.trial.experiment, ", ".join(group.trial.levels.values()))
        axes.set_title("\n".join(filter(None, names)), fontsize="x-small")
        plot(axes, group)
    return figure
