"""Activations by name: gan_optimisation_review, eqs. 6 to 9. Softmax (eq. 10) is in the classifiers."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["relu", "leaky_relu", "sigmoid", "tanh"]


def activation(name: Activation, slope: float = 0.2) -> nn.Module:
    """1 / (1 + e^-x) for sigmoid, max(0, x) for relu, max(0, x) + slope min(0, x) for leaky_relu, and tanh.

    Raises ValueError for any other name.
    """
    if name == "relu":
        return nn.ReLU(inplace=True)
    if name == "leaky_relu":
        return nn.LeakyReLU(slope, inplace=True)
    if name == "sigmoid":
        return nn.Sigmoid()
    if name == "tanh":
        return nn.Tanh()
    raise ValueError(f"unknown activation {name!r}; there are relu, leaky_relu, sigmoid, tanh")
