"""A user's own images as a data set: a folder, a zip or parquet file, or a data set of the Hugging Face Hub.

Images may be of any size and kind. Each one is turned upright (EXIF), flattened onto a background if transparent,
converted to RGB or grey, cropped to its central square and resized, bilinear with antialiasing. Smaller images are
enlarged, and counted. Only images that cannot be used are left out; they are counted and named by reason.

Folders are classes if every image lies in one of two or more. `train/` next to `test/` (or `val/`) are the splits;
otherwise a share of every class is held out.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import torch

from papergan.data.collection import Collection, Skipped
from papergan.data.decoding import Decoded, ImageError, decode_any
from papergan.data.images import ImageSet, ImageSpec, ImageSplits, Picture
from papergan.data.memory import check_memory
from papergan.data.own_declaration import OwnImagesDeclaration
from papergan.data.stack import in_order, with_progress
from papergan.errors import DataError

logger = logging.getLogger(__name__)

COPIES = 3  # of all pixels in memory at once: decoded, saved, and loaded again
TOO_MANY = "lower image_size, or take fewer with images.limit"


@dataclass(frozen=True)
class OwnImages:
    """A collection of images, and how it is used. name: of the data set."""

    name: str
    collection: Collection
    how: OwnImagesDeclaration
    rows: np.ndarray = field(repr=False)  # of the collection, in order: all, or those of `limit`

    @classmethod
    def of(cls, name: str, collection: Collection, how: OwnImagesDeclaration) -> OwnImages:
        """Choose the rows. Raises DataError if there are too few images, or more than the memory holds."""
        count = len(collection.pictures)
        rows = np.arange(count)
        if how.limit is not None and how.limit < count:
            draw = torch.Generator().manual_seed(how.seed)
            rows = torch.randperm(count, generator=draw)[: how.limit].sort().values.numpy()
        if len(rows) < 2:
            raise DataError(f"{collection.where} holds {len(rows)} images; a training and a test split need at least 2")
        own = cls(name, collection, how, rows)
        what = f"{name}, {len(rows)} images at {how.size} pixels,"
        check_memory(what, COPIES * len(rows) * own.spec.channels * how.size**2, TOO_MANY)
        return own

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec(len(self.how.mode), self.how.size, len(self.collection.pictures.classes))

    @property
    def num_train(self) -> int:
        """Number of training images, including any that cannot be used, which is known only once they are decoded."""
        return len(self.rows) - int(self._in_test().sum())

    def _in_test(self) -> np.ndarray:
        """Bool [rows]: which of them form the test split."""
        if self.collection.in_test is not None:
            given: np.ndarray = self.collection.in_test[self.rows]
            return given
        return drawn_by_class(self.collection.pictures.labels[self.rows], self.how.held_out, self.how.seed)

    def load(self) -> ImageSplits:
        """Decode both splits and log what was left out in one line. Raises DataError if nothing is left of a split."""
        in_test = self._in_test()
        skipped = copy.deepcopy(self.collection.skipped)
        train, seen = self._decoded("train", self.rows[~in_test], skipped)
        test, seen_in_test = self._decoded("test", self.rows[in_test], skipped)
        logger.info(
            "%s: %d images of %s at %dx%d, %s; %d to train on, %d held out",
            self.name, len(train) + len(test), self.collection.where, self.how.size, self.how.size,
            self._classes(), len(train), len(test),
        )  # fmt: skip
        for note in _notes(seen + seen_in_test, self.how):
            logger.warning("%s: %s", self.name, note)
        if skipped:
            logger.warning("%s: %s", self.name, skipped)
        return ImageSplits(train, test)

    def _classes(self) -> str:
        classes = self.collection.pictures.classes
        if classes:
            return f"{len(classes)} classes"
        return f"without classes ({self.collection.why_no_classes}), so there are no metrics by class"

    def _decoded(self, split: str, rows: np.ndarray, skipped: Skipped) -> tuple[ImageSet, Counter[str]]:
        """A split, and the numbers of all images, of those that were enlarged, and of those that are grey as stored."""
        pictures = self.collection.pictures.taken(rows)
        pixels = np.empty((len(rows), self.spec.channels, self.how.size, self.how.size), np.uint8)
        kept: list[int] = []
        seen: Counter[str] = Counter()
        found = in_order(pictures, partial(_decoded_or_why, how=self.how))
        for row, decoded in enumerate(with_progress(found, len(rows), f"{self.name}/{split}")):
            if isinstance(decoded, Unusable):
                skipped.add(decoded.why, decoded.where)
                continue
            pixels[len(kept)] = decoded.pixels
            kept.append(row)
            seen.update({"all": 1, "enlarged": decoded.enlarged, "grey": decoded.grey})
        if not kept:
            raise DataError(f"{self.collection.where}: no image of the {split} split can be used: {skipped}")
        labels = torch.from_numpy(pictures.labels[kept])
        return ImageSet(f"{self.name}/{split}", torch.from_numpy(pixels[: len(kept)]), labels, pictures.classes), seen


class Pairing:
    """Two collections whose images are paired by their file names; the suffixes may differ.

    Raises DataError if a name of one is not in the other, or their suffixes put the names in another order.
    """

    def __init__(self, images: OwnImages, inputs: OwnImages) -> None:
        self.images, self.inputs = images, inputs
        mine, theirs = (_stems(one) for one in (images, inputs))
        left, over = set(mine) - set(theirs), set(theirs) - set(mine)
        for one, other, names in ((images, inputs, left), (inputs, images, over)):
            if names:
                shown = ", ".join(sorted(names)[:3])
                raise DataError(
                    f"pairs have the same names, and {len(names)} of {one.collection.where} are not in "
                    f"{other.collection.where}: {shown}{', ...' if len(names) > 3 else ''}"
                )
        if mine != theirs:  # "a.jpg" is before "a.k.jpg", "a.png" after "a.k.png"
            first = next(name for name, other in zip(mine, theirs, strict=True) if name != other)
            raise DataError(
                f"{images.collection.where} and {inputs.collection.where} have the same names in another order, from "
                f"{first} on, since their suffixes differ; give all files of both the same suffix"
            )

    def load(self, images: ImageSplits) -> ImageSplits:
        """Load the inputs of `images`, which were loaded before, in the same order.

        Raises DataError if an image of either cannot be used: its partner would be left over.
        """
        inputs = self.inputs.load()
        for own, splits in ((self.images, images), (self.inputs, inputs)):
            whole, usable = len(own.rows), len(splits.train) + len(splits.test)
            if usable != whole:
                raise DataError(
                    f"{own.collection.where}: {whole - usable} images cannot be used, and their pairs would be left "
                    "over; the warning above names them"
                )
        return inputs


def _stems(images: OwnImages) -> list[str]:
    """Relative paths without suffix, in order. Raises DataError if two files differ by their suffix alone."""
    names = [str(PurePosixPath(picture.where).with_suffix("")) for picture in images.collection.pictures]
    if len(set(names)) < len(names):
        raise DataError(
            f"{images.collection.where} has images that differ by their suffix alone; pairs need one of each"
        )
    return names


class Unusable(NamedTuple):
    """An image that is left out, and why."""

    where: str
    why: str


def _decoded_or_why(picture: Picture, how: OwnImagesDeclaration) -> Decoded | Unusable:
    try:
        return decode_any(picture, how.mode, how.size, how.background)
    except ImageError as error:
        return Unusable(picture.where, error.why)


def _notes(seen: Counter[str], how: OwnImagesDeclaration) -> list[str]:
    """One line for each thing that a user may want to change. seen: see `OwnImages._decoded`."""
    notes = []
    if seen["enlarged"]:
        notes.append(f"{seen['enlarged']} of {seen['all']} images are smaller than {how.size}x{how.size}: enlarged")
    if seen["grey"] == seen["all"] and how.mode == "RGB":
        notes.append("every image is grey; images.mode=L trains on one channel instead of three")
    return notes


def drawn_by_class(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Bool [N]: a share of each class, at least one image if it has two; without classes, a share of all images."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).numpy()
    drawn = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        drawn[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    return drawn
