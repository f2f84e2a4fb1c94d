"""Images of one's own as a data set: a folder, a zip or parquet file, or a data set of the Hugging Face Hub.

Any size and kind: every image is turned upright (EXIF), laid on a background where it is transparent, made RGB or grey,
cropped to its central square and resized, bilinear with antialiasing. Smaller images are enlarged, and counted. What
cannot be used is left out, counted and named by its reason; nothing else is.

Folders are classes where every image lies in one of two or more; `train/` beside `test/` (or `val/`) are the splits,
else a share of every class is held out.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
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

COPIES = 3  # of all pixels at the same time: decoded, saved, and loaded again
TOO_MANY = "lower image_size, or take fewer with images.limit"


@dataclass(frozen=True)
class OwnImages:
    """A collection with how it is used. name: of the data set."""

    name: str
    collection: Collection
    how: OwnImagesDeclaration
    rows: np.ndarray = field(repr=False)  # of the collection, in order: all, or those of `limit`

    @classmethod
    def of(cls, name: str, collection: Collection, how: OwnImagesDeclaration) -> OwnImages:
        """Raises DataError where there are too few images, or more than the memory holds."""
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
        """Images of the training split, those that cannot be used among them: that is known when they are decoded."""
        return len(self.rows) - int(self._in_test().sum())

    def _in_test(self) -> np.ndarray:
        """Bool [rows]: which are the test split."""
        if self.collection.in_test is not None:
            given: np.ndarray = self.collection.in_test[self.rows]
            return given
        return drawn_by_class(self.collection.pictures.labels[self.rows], self.how.held_out, self.how.seed)

    def load(self) -> ImageSplits:
        """Decode both splits and say in one line what was left out. Raises DataError where nothing is left of one."""
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
        """A split, and how many images there are in all, how many were enlarged, and how many are grey as stored."""
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
    """Bool [N]: a share of each class, at least one image of it where it has two; of all, where there is one class."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).numpy()
    drawn = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        drawn[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    return drawn
