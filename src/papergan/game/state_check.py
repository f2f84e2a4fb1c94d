"""Checks that a saved state fits a game, before any of it is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

_SHOWN = 3


def check_fit(what: str, own: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raise ValueError naming the first entries of `theirs` that are missing, unexpected, or of another shape."""
    errors = list(_differences(own, theirs))
    if errors:
        more = f" and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
        raise ValueError(f"{what}: {'; '.join(errors[:_SHOWN])}{more}")


def check_optimiser(what: str, optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """Check the state of an optimiser, like `check_fit`: torch checks the number of entries, not their shapes."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    indices = [index for group in state["param_groups"] for index in group["params"]]
    if len(weights) != len(indices):
        raise ValueError(f"{what}: the state is of {len(indices)} weights, the game has {len(weights)}")
    shapes = dict(zip(indices, weights, strict=True))
    for index, kept in state["state"].items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.dim() and value.shape != shapes[index].shape:
                raise ValueError(
                    f"{what}: {name} of weight {index} is {list(value.shape)}, expected {list(shapes[index].shape)}"
                )


def _differences(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(own.keys() | theirs.keys()):
        if name not in theirs:
            yield f"{name} is missing"
        elif name not in own:
            yield f"{name} is not part of this game"
        elif isinstance(own[name], Tensor) and _shape(theirs[name]) != _shape(own[name]):
            yield f"{name} is {_shape(theirs[name])}, expected {_shape(own[name])}"


def _shape(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else type(value).__name__
