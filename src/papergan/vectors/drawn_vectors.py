"""Vectors drawn by formula: a Swiss roll in space, two moons in the plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from papergan.randomness import seed_for
from papergan.vectors.settings import Shape, VectorData
from papergan.vectors.vectors import VectorSet, VectorSplits

COLUMNS: dict[Shape, tuple[str, ...]] = {"swiss_roll": ("x", "y", "z"), "two_moons": ("x", "y")}


def drawn_splits(data: VectorData) -> VectorSplits:
    """The rows of a recipe, by its seed."""
    return VectorSplits(_split(data, "train", data.train), _split(data, "test", data.test))


def _split(data: VectorData, split: str, count: int) -> VectorSet:
    draw = torch.Generator().manual_seed(seed_for(data.seed, "vectors", data.drawn, split))
    points = (_swiss_roll if data.drawn == "swiss_roll" else _two_moons)(count, draw)
    noise = torch.randn(points.shape, generator=draw, dtype=torch.float64)
    return VectorSet(f"{data.drawn}/{split}", points + data.noise * noise, COLUMNS[data.drawn])


def _swiss_roll(count: int, draw: torch.Generator) -> Tensor:
    """A rolled-up sheet: (t cos t, h, t sin t), t in 1.5 pi .. 4.5 pi, h in 0..21, float64 [count, 3].

    Source: the form of scikit-learn's make_swiss_roll, after Marsland 2009, Machine Learning, chapter 10.
    """
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(count, generator=draw, dtype=torch.float64))
    height = 21 * torch.rand(count, generator=draw, dtype=torch.float64)
    return torch.stack([angle * angle.cos(), height, angle * angle.sin()], dim=1)


def _two_moons(count: int, draw: torch.Generator) -> Tensor:
    """Two interleaving half circles of radius 1, each point on either with probability 1/2: [count, 2].

    Source: the form of scikit-learn's make_moons.
    """
    angle = math.pi * torch.rand(count, generator=draw, dtype=torch.float64)
    upper = torch.rand(count, generator=draw) < 0.5
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    return torch.stack([x, y], dim=1)
