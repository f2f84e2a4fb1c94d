"""Clips of moving images: images of another data set that move across a black field, in one of four directions.

The class of a clip is the image's class with the direction, "3 right". Every clip is a pure function of the seed, the
split and the data set; speed and place are drawn uniformly among those that keep the image inside in all frames.
Source: after Srivastava et al. 2015, arXiv:1502.04681, section 3.2 (moving MNIST, whose two digits bounce), and
Tulyakov et al. 2018 (MoCoGAN), arXiv:1707.04993, section 4 (shapes that move in one of two ways).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from papergan.data.images import ImageSet
from papergan.data.preparation import resized
from papergan.errors import DataError
from papergan.randomness import seed_for

MOTIONS = ("right", "left", "down", "up")
_VERTICAL = torch.tensor([False, False, True, True])
_BACKWARD = torch.tensor([False, True, False, True])


def moving_classes(single: Sequence[str]) -> tuple[str, ...]:
    """Every class of the images combined with every direction; the direction changes fastest."""
    return tuple(f"{content} {motion}" for content, motion in product(single, MOTIONS))


def content_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of the images that move, if these are `moving_classes` of them; else ()."""
    single = tuple(dict.fromkeys(name.rpartition(" ")[0] for name in classes))
    return single if tuple(classes) == moving_classes(single) else ()


def moving(single: ImageSet, count: int, *, frames: int, size: int, seed: int, name: str) -> ImageSet:
    """`count` clips of `frames` frames, `size` pixels: an image of `single`, drawn uniformly, at half that size.

    Images: uint8 [N, frames * C, S, S]. Raises DataError if `single` has no classes, or if nothing could move.
    """
    side = size // 2
    fastest = (size - side) // max(1, frames - 1)
    if not single.classes or not len(single):
        raise DataError(f"{name}: only images with classes can move, {single.name} have none")
    if frames < 2 or fastest < 1:
        raise DataError(f"{name}: in {frames} frames nothing can move across {size} pixels; 2 to {size - side + 1} can")
    draw = torch.Generator().manual_seed(seed_for(seed, "moving", name.rpartition("/")[2]))
    rows = torch.randint(len(single), (count,), generator=draw)
    motions = torch.randint(len(MOTIONS), (count,), generator=draw)
    speeds = torch.randint(1, fastest + 1, (count,), generator=draw)
    starts = (torch.rand(count, generator=draw) * (size - side - speeds * (frames - 1) + 1)).long()
    across = torch.randint(size - side + 1, (count,), generator=draw)
    along = starts[:, None] + speeds[:, None] * torch.arange(frames)
    along = torch.where(_BACKWARD[motions, None], along.flip(1), along)
    vertical = _VERTICAL[motions, None]
    tops, lefts = torch.where(vertical, along, across[:, None]), torch.where(vertical, across[:, None], along)
    pixels = _placed(resized(single, side).images[rows], tops, lefts, size)
    labels = single.labels[rows] * len(MOTIONS) + motions
    return ImageSet(name, pixels, labels, moving_classes(single.classes), frames=frames)


def _placed(images: Tensor, tops: Tensor, lefts: Tensor, size: int) -> Tensor:
    """Images uint8 [N, C, s, s] pasted at places [N, T] onto black fields: uint8 [N, T * C, size, size]."""
    count, channels, side, _ = images.shape
    frames = tops.shape[1]
    clips = torch.zeros(count, frames, channels, size, size, dtype=torch.uint8)
    for image, clip, top, left in zip(images, clips, tops.tolist(), lefts.tolist(), strict=True):
        for frame, y, x in zip(clip, top, left, strict=True):
            frame[:, y : y + side, x : x + side] = image
    return clips.flatten(1, 2)


def one_frame_each(clips: ImageSet) -> ImageSet:
    """One frame of every clip, the first, the second and so on in turn, with the class of the moving image.

    [N, T * C, S, S] -> [N, C, S, S].
    """
    which, size = torch.arange(len(clips)), clips.spec.size
    pixels = clips.images.reshape(len(clips), clips.frames, -1, size, size)[which, which % clips.frames]
    return ImageSet(f"{clips.name}, frames", pixels, clips.labels // len(MOTIONS), content_classes(clips.classes))
