"""Images composed from another data set as their declaration says: stacked in channels, or moving in clips."""

from __future__ import annotations

from papergan.data.drawn_declarations import ComposedDeclaration, MovingDeclaration
from papergan.data.images import ImageSet
from papergan.data.moving_images import moving
from papergan.data.stacked_images import stacked
from papergan.errors import DataError
from papergan.messages import quoted


def composed(single: ImageSet, count: int, how: ComposedDeclaration, name: str) -> ImageSet:
    """Compose `count` images from `single`, one split of the other data set. name: of the split, "stacked_mnist/train".

    Raises DataError if the declaration does not fit `single`.
    """
    data_set = f"data set {quoted(name.rpartition('/')[0])}"
    if single.classes != how.classes:
        raise DataError(f"{data_set}: classes must be those of {quoted(how.of)}")
    if isinstance(how, MovingDeclaration):
        if single.spec.channels != len(how.mode):
            raise DataError(f"{data_set}: mode must be that of {quoted(how.of)}, not {how.mode}")
        return moving(single, count, frames=how.frames, size=how.size, seed=how.seed, name=name)
    if single.spec.size != how.size:
        raise DataError(f"{data_set}: size must be that of {quoted(how.of)}, {single.spec.size}")
    return stacked(single, count, seed=how.seed, name=name)
