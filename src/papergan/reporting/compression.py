"""The table of compressed generators: size, speed and quality relative to the original, and the Pareto front."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from papergan.evaluation.scorecard import Document
from papergan.metrics.registry import prefix_and_metric

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import BboxBase

LABEL_HEIGHTS = (4, -11, 15, -22)  # of a label above its point, in points; the first free one is used
QUALITY = ("fid", "kid_mean", "is_mean", "precision", "recall")  # in the table; results.json has all


class Timing(Document):
    """Seconds per batch on the machine of the run: the median, and half the interquartile range."""

    runtime: str
    batch: int
    seconds: float
    spread: float


class CompressionResult(Document):
    """One variant of a generator. failed: None, or why it could not be created; everything else is empty then.

    what: the settings that differ from the original generator. parameters, zeros, bytes, bytes_packed, macs,
    peak_bytes: see `compression.costs.Costs`. deviation: the mean absolute difference of its images from the
    original's, in grey levels of 255. scores: one for each seed of samples.
    """

    name: str
    what: dict[str, Any]
    failed: str | None = None
    parameters: int | None = None
    zeros: float | None = None
    bytes: int | None = None
    bytes_packed: int | None = None
    macs: int | None = None
    peak_bytes: int | None = None
    deviation: float | None = None
    timings: tuple[Timing, ...] = ()
    scores: tuple[dict[str, float], ...] = ()

    def mean(self, metric: str) -> float | None:
        """The mean of a metric over seeds; None where it was not measured."""
        values = [scores[metric] for scores in self.scores if metric in scores]
        return statistics.mean(values) if values else None

    def fastest(self, batch: int) -> Timing | None:
        """The runtime with the lowest median at this batch size."""
        return min((one for one in self.timings if one.batch == batch), key=lambda one: one.seconds, default=None)


def compression_table(results: Sequence[CompressionResult], baseline: str) -> pd.DataFrame:
    """A row per variant; costs are followed by their ratio to the baseline, qualities by their change in per cent."""
    import pandas as pd

    first = next(one for one in results if one.name == baseline)
    rows = [_row(one, first) for one in results]
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _row(one: CompressionResult, first: CompressionResult) -> dict[str, Any]:
    done = ", ".join(f"{key} {value}" for key, value in one.what.items()) or "as it was trained"
    row: dict[str, Any] = {"variant": one.name, "what": (one.failed and f"not possible: {one.failed}") or done}
    row["parameters"] = None if one.parameters is None else f"{one.parameters:,}"
    row["zeros"] = None if not one.zeros else f"{one.zeros:.0%}"
    row["KiB"] = _ratio(one.bytes, first.bytes, 1024, 0)
    row["KiB packed"] = _ratio(one.bytes_packed, first.bytes_packed, 1024, 0)
    row["million MACs"] = _ratio(one.macs, first.macs, 1e6, 2)
    row["MiB at most"] = _ratio(one.peak_bytes, first.peak_bytes, 2**20, 1)
    for timing in sorted(first.timings, key=lambda timing: (timing.batch, timing.runtime)):
        own = next((t for t in one.timings if (t.runtime, t.batch) == (timing.runtime, timing.batch)), None)
        base = first.fastest(timing.batch)
        text = own and base and f"{1e3 * own.seconds:.2f} ± {1e3 * own.spread:.2f} (x{base.seconds / own.seconds:.2f})"
        row[f"ms of {timing.batch}, {timing.runtime}"] = text
    largest = max((timing.batch for timing in first.timings), default=0)
    if (best := one.fastest(largest)) is not None:
        row["images per second"] = f"{best.batch / best.seconds:.0f}"
    row["deviation, grey levels"] = None if one.deviation is None else f"{one.deviation:.2f}"
    for name in quality_metrics(first):
        row[name] = _quality(one, first, name)
    return row


def quality_metrics(result: CompressionResult) -> list[str]:
    """Names of the measured metrics that the table shows, with their extractor's prefix."""
    known = {name: prefix_and_metric(name) for name in (result.scores[0] if result.scores else ())}
    order = {name: place for place, name in enumerate(QUALITY)}
    shown = [(order[found[1].name], name) for name, found in known.items() if found and found[1].name in order]
    return [name for _, name in sorted(shown)]


def _quality(one: CompressionResult, first: CompressionResult, name: str) -> str | None:
    mean, base = one.mean(name), first.mean(name)
    if mean is None:
        return None
    values = [scores[name] for scores in one.scores]
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    change = f" ({mean / base - 1:+.0%})" if base and one is not first else ""
    return f"{mean:.4g}{spread}{change}"


def _ratio(value: float | None, base: float | None, unit: float, digits: int) -> str | None:
    """The value in a unit, and how many times smaller than the base it is."""
    if value is None:
        return None
    smaller = f" ({base / value:.1f}x smaller)" if base and value and round(base / value, 1) > 1.0 else ""
    return f"{value / unit:,.{digits}f}{smaller}"


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points for which no other is at most as large in both coordinates and smaller in one."""
    return [n for n, (x, y) in enumerate(points) if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)]


def draw_front(results: Sequence[CompressionResult], batch: int, title: str) -> Figure:
    """A matplotlib Figure: the first distance against the median time per batch, with their Pareto front."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    metric = next((name for one in results for name in quality_metrics(one)), None)
    shown = [
        (one, best, value)
        for one in results
        if metric and (best := one.fastest(batch)) is not None and (value := one.mean(metric)) is not None
    ]
    points = [(1e3 * best.seconds, value) for _, best, value in shown]
    labels = []
    for (one, best, _), (x, y) in zip(shown, points, strict=True):
        mark, colour = ("o", "tab:blue") if best.runtime.startswith("torch") else ("s", "tab:orange")
        axes.plot(x, y, mark, color=colour)
        labels.append(axes.annotate(one.name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8))
    front = sorted(points[n] for n in pareto_front(points))
    if front:
        axes.plot(*zip(*front, strict=True), color="tab:gray", linewidth=1, zorder=0)
    axes.set(xlabel=f"milliseconds of a batch of {batch}, the faster runtime", ylabel=metric or "", title=title)
    axes.set_xscale("log")
    if points and max(y for _, y in points) > 4 * min(y for _, y in points):
        axes.set_yscale("log")
    axes.plot([], [], "o", color="tab:blue", label="torch")
    axes.plot([], [], "s", color="tab:orange", label="ONNX Runtime")
    axes.plot([], [], color="tab:gray", label="none is better in both")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, which="both")
    _set_apart(figure, labels)
    return figure


def _set_apart(figure: Figure, labels: Sequence[Annotation]) -> None:
    """Move labels that would overlap: below their points, or farther above or below; leftmost first."""
    figure.draw_without_rendering()  # only now are the positions of the points known
    placed: list[BboxBase] = []
    for label in sorted(labels, key=lambda one: one.xy[0]):
        for height in LABEL_HEIGHTS:
            label.set_position((5, height))
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in placed):
                break
        placed.append(box)
