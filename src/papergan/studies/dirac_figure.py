"""The figure of the Dirac-GAN: trajectories, and distances from the equilibrium compared with theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from papergan.config.dirac import DiracRecipe, DiracResult
from papergan.studies.dirac import closed_form

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

COLUMNS = 5
FARTHEST = 20.0  # distance from the equilibrium shown; diverging variants leave the panels


def trajectories(results: Sequence[DiracResult], recipe: DiracRecipe, title: str) -> Figure:
    """Two panels per variant: (theta, psi), coloured by step, and its distance from the equilibrium.

    The closed form's line falls as the spectral radius of one linearised step, to the power of the number of steps. The
    title of a variant that diverged names the step, in red.
    """
    from matplotlib.figure import Figure

    rows = -(-len(results) // COLUMNS)
    figure = Figure(figsize=(2.7 * COLUMNS, 4.6 * rows), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(2 * rows, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for place, result in enumerate(results):
        row, column = divmod(place, COLUMNS)
        shown = _plane(grid[2 * row, column], result, recipe.steps)
        _distance(grid[2 * row + 1, column], result, recipe)
    figure.colorbar(shown, ax=grid, label="step of (theta, psi)", fraction=0.02, shrink=0.3, anchor=(0.0, 1.0))
    return figure


def _plane(axes: Axes, result: DiracResult, steps: int) -> PathCollection:
    points = np.array(result.trajectory)
    axes.set_visible(True)
    axes.plot(points[:, 0], points[:, 1], color="0.7", linewidth=0.5)
    shown = axes.scatter(points[:, 0], points[:, 1], c=np.arange(len(points)), s=3, cmap="viridis", vmin=0, vmax=steps)
    axes.plot(*points[0], "o", color="tab:orange", markersize=4)
    axes.plot(0, 0, "+", color="tab:red", markersize=9)
    limit = 1.1 * min(float(np.abs(points).max()), max(FARTHEST, float(np.abs(points[0]).max())))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set_xlabel("theta", fontsize="x-small")
    axes.set_ylabel("psi", fontsize="x-small")
    axes.tick_params(labelsize="xx-small")
    axes.set_title(result.variant.replace("_", " "), fontsize="small")
    if result.diverged_at is not None:
        axes.set_title(f"{axes.get_title()}\ndiverged at step {result.diverged_at}", fontsize="small", color="tab:red")
    return shown


def _distance(axes: Axes, result: DiracResult, recipe: DiracRecipe) -> None:
    distance = np.linalg.norm(np.array(result.trajectory), axis=1)
    steps = np.arange(len(distance))
    axes.set_visible(True)
    axes.semilogy(steps, np.maximum(distance, 1e-8), color="tab:blue", linewidth=0.8)
    variant = recipe.variants[result.variant]
    theory = closed_form(variant)
    radius = None if theory is None else theory.step_radius(recipe.learning_rate, variant.discriminator_steps)
    if radius is not None:
        with np.errstate(over="ignore"):
            line = np.maximum(distance[0] * radius**steps, 1e-8)
        axes.semilogy(steps, line, "--", color="tab:red", linewidth=0.8)
    axes.set_ylim(1e-8 / 2, FARTHEST)
    axes.set_xlabel("step", fontsize="x-small")
    axes.set_ylabel("distance", fontsize="x-small")
    axes.tick_params(labelsize="xx-small")
