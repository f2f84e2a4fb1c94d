"""Placeholders that nodes after training return for a run that diverged."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from papergan.config.checked import Experiment
from papergan.reporting.image_grid import Animation, ImageGrid
from papergan.weights import Weights

P = ParamSpec("P")
T = TypeVar("T")


def divergence_of(weights: Weights) -> str | None:
    """The message of the training that made these weights, "diverged at step 12 ..."; None if it did not diverge."""
    return weights.metadata.get("diverged")


def unless_diverged(placeholder: Callable[[Experiment, str], T]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator of nodes that returns the placeholder where one of the input weights is of a diverged training."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def node(*inputs: P.args, **named: P.kwargs) -> T:
            given = [*inputs, *named.values()]
            reasons = [divergence_of(value) for value in given if isinstance(value, Weights)]
            reason = next(filter(None, reasons), None)
            if reason is None:
                return function(*inputs, **named)
            experiment = next(value for value in given if isinstance(value, Experiment))
            return placeholder(experiment, reason)

        return node

    return decorate


def no_weights(experiment: Experiment, reason: str) -> Weights:
    """Weights without tensors, whose metadata say why."""
    return Weights({}, {"recipe": experiment.recipe.fingerprint, "experiment": experiment.name, "diverged": reason})


def no_picture(experiment: Experiment, reason: str) -> ImageGrid:
    """A black image whose caption says why."""
    return ImageGrid(torch.zeros(1, 1, 32, 32, dtype=torch.uint8), f"{experiment.name}: {reason}; no picture")


def no_animation(experiment: Experiment, reason: str) -> Animation:
    """One black image whose caption says why."""
    return Animation((no_picture(experiment, reason),))


def no_figure(experiment: Experiment, reason: str) -> object:
    """A matplotlib Figure with the reason in it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2))
    figure.text(0.5, 0.5, f"{experiment.name}: {reason}", ha="center", va="center", wrap=True)
    return figure
