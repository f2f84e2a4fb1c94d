"""Normalisation layers by name, for feature maps and vectors."""

from __future__ import annotations

from typing import Literal

from torch import nn

from papergan.networks.layers.spectral import spectral_norm

Normalisation = Literal["none", "batch", "layer", "instance", "spectral"]
MapNormalisation = Literal["none", "batch", "layer", "instance"]


def normalised(layer: nn.Module, kind: Normalisation, features: int, *, maps: bool) -> list[nn.Module]:
    """A convolution or linear layer and its normalisation: a list for a Sequential.

    kind: batch (Ioffe and Szegedy 2015), layer (Ba et al. 2016; over all maps of an image), instance (Ulyanov et al.
    2016; over each map of an image), spectral (Miyato et al. 2018; of the weight, no layer is added), none.
    maps: whether the layer's output has two spatial axes. Raises ValueError for instance normalisation of vectors,
    which would normalise single numbers.
    """
    if kind == "none":
        return [layer]
    if kind == "spectral":
        return [spectral_norm(layer)]
    if maps:
        return [layer, *norm_of_maps(kind, features)]
    if kind == "batch":
        return [layer, nn.BatchNorm1d(features)]
    if kind == "layer":
        return [layer, nn.LayerNorm(features)]
    raise ValueError(f"normalisation {kind!r} does not exist for {'maps' if maps else 'vectors'}")


def norm_of_maps(kind: MapNormalisation, channels: int) -> list[nn.Module]:
    """The normalisation after a convolution, a list for a Sequential; kinds as in `normalised`."""
    if kind == "none":
        return []
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.GroupNorm(1, channels) if kind == "layer" else nn.InstanceNorm2d(channels, affine=True)]
