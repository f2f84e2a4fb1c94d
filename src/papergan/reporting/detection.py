"""The matrix of detectors and generators: as a table, as sentences, and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from papergan.evaluation.scorecard import Document

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {"accuracy": "accuracy, 0.5 is chance", "auc": "area under the ROC curve"}


class DetectionResult(Document):
    """A detector trained on one generator's images, with one seed, tested on a generator's; see `Detection`."""

    trained_on: str
    tested_on: str
    seed: int
    accuracy: float
    detected: float
    false_alarms: float
    auc: float


def mean_of(results: Sequence[DetectionResult], trained_on: str, tested_on: str, measure: str) -> tuple[float, float]:
    """Mean and deviation (N - 1; 0 for one seed) of a measure over seeds."""
    values = [
        float(getattr(one, measure)) for one in results if (one.trained_on, one.tested_on) == (trained_on, tested_on)
    ]
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def detection_table(results: Sequence[DetectionResult], measure: str) -> pd.DataFrame:
    """A row per detector, a column per generator: "mean ± deviation" over seeds. measure: one of MEASURES."""
    import pandas as pd

    several = len({one.seed for one in results}) > 1
    lines = []
    for detector in _names(results):
        line = {"detector of": detector}
        for generator in _names(results):
            mean, deviation = mean_of(results, detector, generator, measure)
            line[generator] = f"{mean:.3f} ± {deviation:.3f}" if several else f"{mean:.3f}"
        lines.append(line)
    return pd.DataFrame(lines)


def detection_sentences(results: Sequence[DetectionResult]) -> list[str]:
    """What the matrix shows for the generator that a detector was trained on, and for the others."""
    names, sentences = _names(results), []
    for which, known in (("of the generator that it has learned from", True), ("of any other generator", False)):
        cells = {
            (one, other): tuple(mean_of(results, one, other, measure)[0] for measure in MEASURES)
            for one in names
            for other in names
            if (one == other) == known
        }
        if cells:
            accuracies = [accuracy for accuracy, _ in cells.values()]
            (one, other), (least, area) = min(cells.items(), key=lambda cell: cell[1])
            sentences.append(
                f"A detector is right on {statistics.fmean(accuracies):.1%} of the images {which} and of as many real "
                f"ones, {least:.1%} at the least ({one} on {other}; area under the ROC curve {area:.3f})"
            )
    return sentences


def draw_detection(results: Sequence[DetectionResult], title: str) -> Figure:
    """A matplotlib Figure: a square per detector and generator for each of MEASURES."""
    from matplotlib.figure import Figure

    names = _names(results)
    side = max(3.0, 0.9 * len(names) + 1.6)
    figure = Figure(figsize=(2 * side + 1, side + 1.6), layout="constrained")
    for place, (measure, what) in enumerate(MEASURES.items(), 1):
        _draw_matrix(figure.add_subplot(1, 2, place), results, names, measure, what)
    figure.suptitle(title)
    return figure


def _draw_matrix(axes: Axes, results: Sequence[DetectionResult], names: list[str], measure: str, what: str) -> None:
    values = [[mean_of(results, one, other, measure)[0] for other in names] for one in names]
    axes.imshow(values, vmin=0.5, vmax=1.0, cmap="viridis")
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="black" if value > 0.8 else "white")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names if measure == next(iter(MEASURES)) else [""] * len(names))
    axes.set(xlabel="images of", ylabel="detector of" if measure == next(iter(MEASURES)) else "", title=what)


def _names(results: Sequence[DetectionResult]) -> list[str]:
    return list(dict.fromkeys(one.trained_on for one in results))
