"""Stacked images: random grey images of another data set as the channels of one, whose class combines theirs.

Stacked MNIST has three digits in three channels, hence 1 000 classes, "0+0+0" to "9+9+9", which are modes that can be
counted. Source: Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, section 5.2; Lin et al. 2018 (PacGAN),
arXiv:1712.04086, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch

from papergan.data.images import ImageSet
from papergan.errors import DataError
from papergan.randomness import seed_for

CHANNELS = 3
JOINT = "+"  # between the classes of the channels


def stacked_classes(single: Sequence[str]) -> tuple[str, ...]:
    """Every combination of `single` classes, the last channel's changing fastest."""
    return tuple(JOINT.join(parts) for parts in product(single, repeat=CHANNELS))


def single_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of one channel, if these are all combinations of them; else ()."""
    single = tuple(dict.fromkeys(name.rpartition(JOINT)[2] for name in classes))
    alike = len(classes) == len(single) ** CHANNELS > 1 and tuple(classes) == stacked_classes(single)
    return single if alike else ()


def stacked(single: ImageSet, count: int, *, seed: int, name: str) -> ImageSet:
    """`count` stacked images, each channel an image of `single` drawn uniformly with replacement, by `seed` and split.

    Raises DataError unless `single` is grey and has classes.
    """
    if single.images.shape[1] != 1 or not single.classes or not len(single):
        raise DataError(f"{name}: only grey images with classes can be stacked, {single.name} are {single.spec}")
    draw = torch.Generator().manual_seed(seed_for(seed, "stacked", name.rpartition("/")[2]))
    rows = torch.randint(len(single), (count, CHANNELS), generator=draw)
    places = torch.tensor([len(single.classes) ** power for power in reversed(range(CHANNELS))])
    labels = (single.labels[rows] * places).sum(1)
    return ImageSet(name, single.images[rows, 0], labels, stacked_classes(single.classes))


def channels_apart(images: ImageSet) -> ImageSet:
    """Every channel of stacked images as an image of its own: [N, C, S, S] -> [N C, 1, S, S], with its own class."""
    single = single_classes(images.classes)
    digits = [images.labels // len(single) ** power % len(single) for power in reversed(range(CHANNELS))]
    return ImageSet(images.name, images.images.flatten(0, 1)[:, None], torch.stack(digits, 1).flatten(), single)
