"""Normalisation by name, for maps and for vectors."""

from __future__ import annotations

from typing import Literal

from torch import nn

from papergan.networks.spectral import spectral_norm

Normalisation = Literal["none", "batch", "layer", "instance", "spectral"]


def normalised(layer: nn.Module, kind: Normalisation, features: int, *, maps: bool) -> list[nn.Module]:
    """A convolution or linear layer, and what comes after it: a list for a Sequential.

    kind: batch (Ioffe and Szegedy 2015), layer (Ba et al. 2016; over all maps of an image), instance (Ulyanov et al.
    2016; over each map of an image), spectral (Miyato et al. 2018; of the weight itself, nothing comes after), none.
    maps: whether the layer's output has two more axes. Raises ValueError for instance normalisation of vectors, which
    would be of one number each.
    """
    if kind == "none":
        return [layer]
    if kind == "spectral":
        return [spectral_norm(layer)]
    if kind == "batch":
        return [layer, nn.BatchNorm2d(features) if maps else nn.BatchNorm1d(features)]
    if kind == "layer":
        return [layer, nn.GroupNorm(1, features) if maps else nn.LayerNorm(features)]
    if kind == "instance" and maps:
        return [layer, nn.InstanceNorm2d(features, affine=True)]
    raise ValueError(f"normalisation {kind!r} does not exist for {'maps' if maps else 'vectors'}")
