"""Encoded images, from files, bytes or arrays, before they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import torch

from papergan.randomness import seed_for


@dataclass(frozen=True, eq=False)
class Picture:
    """One image. where: its file, and row if there is one, for errors.

    content: an image file, the bytes of one, or pixels, uint8 [H, W, 1 or 3].
    """

    where: str
    content: Path | bytes | np.ndarray


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images in a fixed order, of which only a few need to be in memory at a time.

    each: starts over at every call, since all headers are seen before any pixel is decoded.
    labels: int64 [N], indices into `classes`. classes: () where there are none.
    """

    each: Callable[[], Iterator[Picture]]
    labels: np.ndarray
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def drawn(self, count: int) -> Pictures:
        """`count` of the images, drawn without replacement, always the same ones; their order and the classes stay.

        Never the first ones, which in a folder of classes are all of one class.
        """
        draw = torch.Generator().manual_seed(seed_for(0, "pictures"))
        rows = torch.randperm(len(self), generator=draw)[:count].sort().values.numpy()
        return self.taken(rows)

    def taken(self, rows: np.ndarray) -> Pictures:
        """These images, by their places in ascending order, int64 [M]; the classes stay."""
        taken = np.zeros(len(self), bool)
        taken[rows] = True
        return Pictures(partial(compress, self, taken), self.labels[rows], self.classes)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.each())
