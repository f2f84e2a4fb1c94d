"""Tables, figures and models of the vector study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from papergan import systems
from papergan.config.vector_study import VectorResult, VectorStudyRecipe, VectorTrial
from papergan.game.schedules import Progress
from papergan.inference.model_folder import StoredModel
from papergan.inference.vectors import stored_vector_model
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import HELD, NOT_SIGNIFICANT, REVERSED, UNKNOWN, verdict_by, with_deviation
from papergan.reporting.seed_groups import Measured
from papergan.studies.named_trials import about_model, plot_seeds
from papergan.studies.seed_groups import NamedGroup
from papergan.studies.vectors.trials import SHOWN, vector_spec
from papergan.training.history import Row
from papergan.vectors.scores import GAUSSIAN, INDEPENDENT, TRAINING_ROWS, baseline_rows, vector_scores
from papergan.vectors.vectors import Normalisation, VectorSplits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VectorGroup = NamedGroup[VectorTrial, VectorResult]

REAL: Final = "test rows"
TWO_SAMPLE: Final = "two_sample_accuracy"
COLUMNS: Final = {
    "frechet": "Fréchet distance", "precision": "precision", "recall": "recall", "density": "density",
    "coverage": "coverage", "two_sample_accuracy": "1-NN accuracy", "kolmogorov_smirnov": "Kolmogorov-Smirnov",
    "correlation_error": "correlation error",
}  # fmt: skip
MOST_COLUMNS: Final = 4  # in a figure, which shows pairs of the first ones
MOST_BESIDE: Final = 6  # panels side by side


def baselines(recipe: VectorStudyRecipe, vectors: VectorSplits) -> dict[str, Row]:
    """The scores of training rows, a Gaussian, and rows with independent columns."""
    return {name: vector_scores(rows, vectors) for name, rows in baseline_rows(vectors, recipe.samples).items()}


def summary(groups: Sequence[VectorGroup], lines: Mapping[str, Row]) -> pd.DataFrame:
    """A row per baseline, and per system over seeds."""
    import pandas as pd

    rows = [
        {"system": name, **{label: text(line[key]) for key, label in COLUMNS.items() if key in line}}
        for name, line in lines.items()
    ]
    return pd.DataFrame(rows + [_row(group, lines) for group in groups]).fillna("")


def _row(group: VectorGroup, lines: Mapping[str, Row]) -> dict[str, str]:
    row = {"system": group.name}
    found = {label: group.over(lambda one, key=key: one.value(key)) for key, label in COLUMNS.items()}  # type: ignore[misc]
    row |= {label: with_deviation(value) for label, value in found.items() if value is not None}
    row["beats both"] = _beats_baselines(group, lines)
    row["seeds"] = ", ".join(str(seed) for seed, one in group.done if not one.diverged)
    row["ms a step"] = with_deviation(group.over(lambda one: 1000 * one.seconds_per_step))
    row["flags"] = group.flags
    return row


def _beats_baselines(group: VectorGroup, lines: Mapping[str, Row]) -> str:
    """The verdict on whether the 1-NN accuracy is nearer to 0.5 than for a Gaussian and for independent columns."""
    if (found := group.over(lambda one: one.value(TWO_SAMPLE))) is None:
        return ""
    baselines = [Measured(lines[name][TWO_SAMPLE], 0.0, found.runs) for name in (GAUSSIAN, INDEPENDENT)]
    verdicts = {verdict_by(TWO_SAMPLE, found, one) for one in baselines}
    return next(one for one in (UNKNOWN, REVERSED, NOT_SIGNIFICANT, HELD) if one in verdicts)


def model_of(group: VectorGroup, vectors: VectorSplits) -> StoredModel | None:
    """The model of the first seed that finished, for `papergan.load`; None if none did."""
    if group.first_ended is None:
        return None
    seed, result = group.first_ended
    trial, columns = group.trial, vectors.train.columns
    spec, settings = vector_spec(len(columns)), trial.settings
    return stored_vector_model(
        systems.build(settings.system, spec, settings.overrides, seed=seed),
        {name: tensor for name, tensor in result.tensors.items() if name != "rows"},
        system=settings.system, overrides=settings.overrides, image=spec, columns=columns,
        normalisation=Normalisation.of(vectors.train, settings.normalisation),
        progress=Progress(trial.steps, trial.steps * trial.recipe.batch_size),
        about=about_model(group, seed, vectors.train, trial.recipe.paper),
    )  # fmt: skip


def rows_shown(groups: Sequence[VectorGroup], vectors: VectorSplits) -> dict[str, Tensor]:
    """Rows [n, D] for figures, by name: test rows, then rows of each system's first seed that finished."""
    ended = {group.name: found[1] for group in groups if (found := group.first_ended) is not None}
    return {REAL: vectors.test.values[:SHOWN], **{name: result.tensors["rows"] for name, result in ended.items()}}


def scatter(shown: Mapping[str, Tensor], columns: Sequence[str], title: str) -> Figure:
    """Rows of `rows_shown`: a row of panels for each pair of the first columns, all on the scale of the test rows.

    A single column gets a histogram.
    """
    from matplotlib.figure import Figure

    first = range(min(len(columns), MOST_COLUMNS))
    pairs = [(one, other) for one in first for other in first if one < other] or [(0, 0)]
    beside = min(len(shown), MOST_BESIDE)
    names = list(shown)[:beside]
    figure = Figure(figsize=(2.6 * beside + 0.4, 2.6 * len(pairs) + 0.5), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(pairs), beside, squeeze=False)
    for line, pair in enumerate(pairs):
        for column, name in enumerate(names):
            _panel(panels[line, column], shown[name], shown[REAL], pair)
            panels[0, column].set_title(name, fontsize="small")
        panels[line, 0].set_ylabel(columns[pair[1]] if len(columns) > 1 else "rows")
        panels[line, 0].set_xlabel(columns[pair[0]])
    return figure


def _panel(axes: Axes, rows: Tensor, real: Tensor, pair: tuple[int, int]) -> None:
    low, high = real[:, list(pair)].amin(0), real[:, list(pair)].amax(0)
    margin = 0.1 * (high - low)
    (left, down), (right, up) = (low - margin).tolist(), (high + margin).tolist()
    axes.set(xlim=(left, right), xticks=[], yticks=[])
    if pair[0] == pair[1]:
        axes.hist(rows[:, 0].numpy(), bins=torch.linspace(left, right, 41).tolist())
        return
    axes.set_ylim(down, up)
    axes.scatter(rows[:, pair[0]].numpy(), rows[:, pair[1]].numpy(), s=1.5, alpha=0.4)


def over_time(groups: Sequence[VectorGroup], lines: Mapping[str, Row], title: str) -> Figure:
    """The Frechet distance and the coverage over training, a line per seed; training rows dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    figure.suptitle(title)
    for axes, key in zip(figure.subplots(1, 2), ("frechet", "coverage"), strict=True):
        plot_seeds(axes, groups, key)
        axes.axhline(lines[TRAINING_ROWS][key], linestyle="--", color="grey", label=TRAINING_ROWS)
        axes.set(xlabel="step", ylabel=COLUMNS[key])
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.axes[0].set_yscale("log")
    return figure
