"""Anybody's images before they are decoded: what holds each, and where that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np


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

    def __iter__(self) -> Iterator[Picture]:
        return islice(self.each(), len(self))

    def first(self, limit: int) -> Pictures:
        """The first `limit` images, in order; the classes stay."""
        return replace(self, labels=self.labels[:limit])
