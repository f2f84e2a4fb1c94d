"""Replacements for what a peer needs: data sets over pixels in memory, and modules that do nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

CLASSES = 10


def labels_of(pixels: Tensor) -> Tensor:
    """The class of every image on both sides, int64 [N]: its index modulo ten."""
    return torch.arange(len(pixels)) % CLASSES


class Pictures(Dataset):  # type: ignore[type-arg]
    """Like torchvision's CIFAR10 and MNIST: one PIL image at a time, transformed, and its label."""

    def __init__(self, pixels: Tensor, transform: Callable[[Any], Any] | None = None) -> None:
        self.data, self.transform = pixels.permute(0, 2, 3, 1).contiguous().numpy(), transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        picture: Any = Image.fromarray(self.data[index])
        return (picture if self.transform is None else self.transform(picture)), index % CLASSES


def serve(pixels: Tensor, *names: str) -> None:
    """Make torchvision's data sets of these names return these pixels, uint8 [N, 3, S, S], and download nothing."""
    for name in names:
        setattr(torchvision.datasets, name, lambda *_, transform=None, **__: Pictures(pixels, transform))


class _Nothing:
    """An object whose calls and attributes return itself; divided by anything it is 0."""

    def __call__(self, *_: Any, **__: Any) -> _Nothing:
        return self

    def __getattr__(self, name: str) -> _Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __truediv__(self, other: Any) -> float:  # a peer divides the memory that psutil reports
        return 0.0


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()


def stand_in_for(names: Iterable[str]) -> list[str]:
    """Replace modules that cannot be imported by modules that do nothing. Returns their names."""
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = _StandIn(name)
            sys.modules[name].__path__ = []  # so that it may have submodules, which are listed by name as well
            missing.append(name)
    return missing
