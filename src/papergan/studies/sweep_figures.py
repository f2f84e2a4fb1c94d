"""Figures of a sweep: Optuna's own, in plotly, and a page with all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from papergan.config.checked import Sweep

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from plotly.graph_objects import Figure

FEWEST = 2  # finished trials needed for the importance of a parameter


def _of_optuna(title: str, function: str, sweep: Sweep, study: OptunaStudy) -> Figure:
    """A figure by a function of `optuna.visualization`."""
    from optuna import visualization

    figure = getattr(visualization, function)(study, target_name=sweep.search.objective)
    return _titled(figure, sweep, title)


def importances(sweep: Sweep, study: OptunaStudy) -> Figure:
    """How much each setting affects the objective, by PED-ANOVA: Watanabe et al. 2023, arXiv:2304.10255."""
    from optuna.trial import TrialState
    from plotly.graph_objects import Figure

    title = "importance of the settings"
    values = {trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < FEWEST:
        figure = Figure().add_annotation(text="fewer than two different results", showarrow=False)
        return _titled(figure, sweep, title)
    return _of_optuna(title, "plot_param_importances", sweep, study)


FIGURES: Mapping[str, Callable[[Sweep, OptunaStudy], Figure]] = {
    "sweep_history": partial(_of_optuna, "optimisation history", "plot_optimization_history"),
    "sweep_importances": importances,
    "sweep_parallel": partial(_of_optuna, "parallel coordinates", "plot_parallel_coordinate"),
    "sweep_slices": partial(_of_optuna, "slices", "plot_slice"),
}


def page(title: str, figures: Mapping[str, Figure]) -> str:
    """An HTML page of figures that needs no network access: it contains plotly's script, 5 MB."""
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=not place) for place, figure in enumerate(figures.values())
    ]
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
    return "\n".join([head, f"<body><h1>{escape(title)}</h1>", *parts, "</body></html>\n"])


def _titled(figure: Figure, sweep: Sweep, what: str) -> Figure:
    return figure.update_layout(title=f"{sweep.name}: {what}")
