"""Power laws of time and memory along an axis, as a table and as curves."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from math import exp, isfinite, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papergan.atomic_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Axis = Sequence[tuple[float, Mapping[str, Any]]]  # value, and the results of that cell

AXES = {
    "batch": "batch", "width": "width, as a fraction of the recipe's", "size": "side of an image, pixels",
    "ranks": "ranks that share a batch",
}  # fmt: skip
MEASURES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "milliseconds per image": lambda cell: 1000 / cell["images_per_second"],
    "memory of training, MiB": lambda cell: cell["memory_of_training"] / 2**20,
    "kept for the backward pass, MiB": lambda cell: cell["kept_bytes"] / 2**20,
    "MFLOP per image": lambda cell: cell["mean_flops"] / cell["images_per_step"] / 1e6,
}
LEAST_FITTED = 3  # values of an axis; a line through fewer is not a fit
DRAWN = ("milliseconds per image", "memory of training, MiB")


def power_law(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """(a, c) of y = c x^a by least squares on logarithms; None for fewer than two different x, or if a y is 0."""
    if len({x for x, _ in points}) < 2 or any(y <= 0 for _, y in points):
        return None
    logs = [(log(x), log(y)) for x, y in points]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread
    return slope, exp(mean_y - slope * mean_x)


def fitted(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The power law of an axis; None for fewer than `LEAST_FITTED` values, since a line always fits two."""
    return power_law(points) if len({x for x, _ in points}) >= LEAST_FITTED else None


def table(axes: Mapping[str, Axis]) -> str:
    """Markdown: the cells of each axis, then the exponents of its fit and between its last two values."""
    parts = [_where(axes)]
    for axis, cells in axes.items():
        head = [f"## {AXES[axis]}", "", f"| {axis} | {' | '.join(MEASURES)} |", "|---" * (1 + len(MEASURES)) + "|"]
        lines = [f"| {x:g} | {' | '.join(f'{m(cell):.4g}' for m in MEASURES.values())} |" for x, cell in cells]
        series = [[(x, measure(cell)) for x, cell in cells] for measure in MEASURES.values()]
        fits = [("exponent", fitted), ("exponent of the last two", lambda points: power_law(sorted(points)[-2:]))]
        lines += [f"| {name} | {' | '.join(_slope(fit(points)) for points in series)} |" for name, fit in fits]
        parts.append("\n".join([*head, *lines]))
    return "\n\n".join(parts)


def _slope(law: tuple[float, float] | None) -> str:
    return "" if law is None or not isfinite(law[0]) else f"{law[0]:+.2f}"


def _where(axes: Mapping[str, Axis]) -> str:
    """The experiment and the machine, from the results themselves."""
    cells = [cell for axis in axes.values() for _, cell in axis]
    one = cells[0]
    hardware = " and ".join(dict.fromkeys(cell["hardware"] for cell in cells))
    commit = one["commit"][:7] + (" with changes" if any(cell["dirty"] for cell in cells) else "")
    return f"{one['experiment']}, {one['precision']}; {hardware}; torch {one['versions']['torch']}, commit {commit}"


def draw(axes: Mapping[str, Axis], place: Path) -> None:
    """Write `figure_of` the axes as PNG."""
    figure = figure_of(axes)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    write_whole(place, picture.getvalue())


def figure_of(axes: Mapping[str, Axis]) -> Figure:
    """One panel per axis and measure, both logarithmic, with the power law as a dashed line.

    Points of 0, which have no logarithm, are left out. With too few values for a power law, the measure is on a linear
    axis from 0.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(4.2 * len(axes), 3.2 * len(DRAWN)), layout="constrained")
    for row, name in enumerate(DRAWN):
        for column, (axis, cells) in enumerate(axes.items(), 1):
            panel = figure.add_subplot(len(DRAWN), len(axes), row * len(axes) + column)
            points = sorted((x, value) for x, cell in cells if (value := MEASURES[name](cell)) > 0)
            if not points:  # a process that was larger while loading than in training
                continue
            values = [x for x, _ in points]
            panel.loglog(values, [y for _, y in points], "o-")
            if (law := fitted(points)) is not None:
                panel.loglog(values, [law[1] * x ** law[0] for x in values], "--", label=f"~ {axis}^{law[0]:.2f}")
                panel.legend()
                panel.yaxis.set_major_formatter("{x:g}")
                panel.yaxis.set_minor_formatter("{x:g}")
                panel.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            else:
                panel.set_yscale("linear")
                panel.set_ylim(0, 1.1 * max(y for _, y in points))
            panel.set_xticks(values, [f"{x:g}" for x in values])
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xlabel(AXES[axis])
            panel.set_ylabel(name)
            panel.grid(visible=True, alpha=0.3)
    figure.suptitle(_where(axes))
    return figure
