"""A user's copy of SOCOFing: file names and images, split by subject.

Shehu, Ruiz-Garcia, Palade and James 2018 (Sokoto Coventry Fingerprint Dataset, arXiv:1807.10609): 600 subjects, ten
fingers each; `<subject>__<M or F>_<Left or Right>_<finger>_finger[_<alteration>].BMP`, 96x103 pixels. It may not be
redistributed, so no part of it is in this project.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from papergan.data.images import ImageSplits, Picture, Pictures
from papergan.data.stack import stack
from papergan.errors import DataError
from papergan.messages import sanitise

logger = logging.getLogger(__name__)

FINGERS = ("thumb", "index", "middle", "ring", "little")
CLASSES = tuple(f"{hand}_{finger}" for hand in ("left", "right") for finger in FINGERS)
ALTERATIONS = {"CR": "central rotation", "Obl": "obliteration", "Zcut": "z-cut"}
NAME = re.compile(
    rf"(\d+)__([MF])_(Left|Right)_({'|'.join(FINGERS)})_finger(?:_({'|'.join(ALTERATIONS)}))?\.bmp", re.IGNORECASE
)


class Print(NamedTuple):
    """The parts of a file's name.

    subject: from 1. sex: "M" or "F". finger: one of CLASSES. alteration: one of ALTERATIONS, or None.
    """

    subject: int
    sex: str
    finger: str
    alteration: str | None


def parse(name: str) -> Print:
    """The parts of a file name. Raises DataError for one that does not have the data set's form."""
    found = NAME.fullmatch(name)
    if found is None:
        raise DataError(f"{sanitise(name)} is not named <subject>__<M or F>_<hand>_<finger>_finger[_<alteration>].BMP")
    subject, sex, hand, finger, alteration = found.groups()
    known = {key.lower(): key for key in ALTERATIONS}
    altered = known[alteration.lower()] if alteration else None
    return Print(int(subject), sex.upper(), f"{hand}_{finger}".lower(), altered)


def read_socofing(folder: Path, name: str, *, size: int, held_out_subjects: int, altered: bool) -> ImageSplits:
    """Read grey images, centre-cropped and resized; the classes are the ten fingers.

    held_out_subjects: this many subjects, the last ones, form the test split, so that no finger is in both. altered:
    include the altered prints. Raises DataError if the folder holds no such files, or too few subjects.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".bmp")
    for path in paths:
        if not path.is_file():  # a pipe would block
            raise DataError(f"{sanitise(path)} is not a file, or is a broken link; remove it")
    prints = [(path, parse(path.name)) for path in paths]
    kept = [(path, one) for path, one in prints if altered or one.alteration is None]
    subjects = sorted({one.subject for _, one in kept})
    if len(subjects) <= held_out_subjects:
        raise DataError(
            f"{folder} holds {len(kept)} prints of {len(subjects)} subjects, {held_out_subjects} are to be held out"
        )
    last = set(subjects[-held_out_subjects:])
    splits = []
    for split in ("train", "test"):
        chosen = [(path, one) for path, one in kept if (one.subject in last) == (split == "test")]
        labels = np.array([CLASSES.index(one.finger) for _, one in chosen], np.int64)
        files = [Picture(sanitise(path), path) for path, _ in chosen]
        pictures = Pictures(lambda files=files: iter(files), labels, CLASSES)  # type: ignore[misc]
        splits.append(stack(pictures, name=f"{name}/{split}", size=size, mode="L", background="white"))
    logger.info("%s: %d prints of %d subjects, %d held out", name, len(kept), len(subjects), held_out_subjects)
    train, test = splits
    return ImageSplits(train.called(f"{name}/train"), test.called(f"{name}/test"))
