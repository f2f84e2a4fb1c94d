"""The images of an experiment: a pointer to content that many experiments may share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NewType

from kedro.io import AbstractDataset

from papergan.data.image_file import load_image_set, save_image_set
from papergan.data.images import ImageSet, ImageSplits
from papergan.errors import DataError
from papergan.files import write_whole

JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name


class ImageSplitsDataset(AbstractDataset[ImageSplits, ImageSplits]):
    """A small JSON at `filepath` that names both splits by digest; the images lie in `store`, once per content.

    Loading checks every digest. Raises DataError where the pointer or an image file is missing or damaged.
    """

    def __init__(self, *, filepath: str, store: str, metadata: dict[str, Any] | None = None) -> None:
        self.path, self._store = Path(filepath), Path(store)
        self.metadata = metadata

    def save(self, data: ImageSplits) -> None:
        splits = {"train": data.train, "test": data.test}
        for images in splits.values():
            if not _holds(self._file(images.digest), images):
                save_image_set(self._file(images.digest), images)
        pointer = {split: _facts(images) for split, images in splits.items()}
        write_whole(self.path, json.dumps(pointer, indent=1).encode())

    def load(self) -> ImageSplits:
        try:
            pointer = json.loads(self.path.read_bytes())
            train, test = (self._read(pointer[split]) for split in ("train", "test"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.path} does not lead to the images of an experiment ({error}); ingest again"
            ) from error
        return ImageSplits(train, test)

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))

    def _read(self, facts: dict[str, Any]) -> ImageSet:
        images = load_image_set(self._file(facts["digest"]))
        if images.digest != facts["digest"]:
            raise DataError(f"{self._file(facts['digest'])} holds other images than its name says; delete it")
        return ImageSet(facts["name"], images.images, images.labels, images.classes)

    def _file(self, digest: str) -> Path:
        if not (len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
            raise ValueError(f"{digest!r} is no digest")
        return self._store / f"{digest[:16]}.safetensors"

    def _exists(self) -> bool:
        try:
            pointer = json.loads(self.path.read_bytes())
            return all(self._file(pointer[split]["digest"]).is_file() for split in ("train", "test"))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "store": str(self._store)}


def _holds(path: Path, images: ImageSet) -> bool:
    """Whether these images are there already, whole; else they are written, so that ingesting again mends a store."""
    try:
        return load_image_set(path).digest == images.digest
    except DataError:
        return False


def _facts(images: ImageSet) -> dict[str, Any]:
    return {
        "name": images.name,
        "digest": images.digest,
        "count": len(images),
        "shape": list(images.images.shape[1:]),
        "classes": list(images.classes),
    }
