"""The images of an experiment: a pointer to content that many experiments may share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from kedro.io import AbstractDataset
from pydantic import BaseModel, ValidationError

from papergan.atomic_files import DOCUMENT_BYTES, write_whole
from papergan.data.declarations import Sha256
from papergan.data.image_file import load_image_set, save_image_set
from papergan.data.images import ImageSet, ImageSplits
from papergan.datasets.atomic_file import is_whole, read_bytes, read_text
from papergan.datasets.digested_json import JSONPreview, decode_with_digest, encode_with_digest
from papergan.errors import DataError, EvaluationError, StorageError
from papergan.messages import sanitise
from papergan.validation import validation_errors


class _Facts(BaseModel):
    """What a pointer says of a split; the rest is for people; origin: `ImageSet.origin`."""

    name: str
    digest: Sha256
    origin: list[int] | None = None


class _Pointer(BaseModel):
    train: _Facts
    test: _Facts


class ImageSplitsDataset(AbstractDataset[ImageSplits, ImageSplits]):
    """A small JSON at `filepath` that names both splits by digest; the images lie in `store`, once per content.

    Loading checks every digest, that of the pointer as well. Raises DataError where the pointer or an image file is
    missing or damaged.
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
        write_whole(self.path, encode_with_digest(pointer))

    def load(self) -> ImageSplits:
        return self._read()

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(read_text(self.path))

    def _read(self) -> ImageSplits:
        try:
            content = read_bytes(self.path, DOCUMENT_BYTES)
            pointer = _Pointer.model_validate(decode_with_digest(content, self.path, "ingest again"))
        except (EvaluationError, StorageError) as error:
            raise DataError(str(error)) from error
        except ValidationError as error:
            fault = sanitise(validation_errors("pointer", error)[0])
            raise DataError(f"{self.path} does not lead to images ({fault}); ingest again") from error
        return ImageSplits(self._images(pointer.train), self._images(pointer.test))

    def _images(self, facts: _Facts) -> ImageSet:
        images = load_image_set(self._file(facts.digest))
        if images.digest != facts.digest:
            raise DataError(f"{self._file(facts.digest)} holds other images than its name says; ingest again")
        if facts.origin is not None and len(facts.origin) != len(images):
            raise DataError(f"{self.path} names {len(facts.origin)} images of {len(images)}; ingest again")
        origin = None if facts.origin is None else torch.tensor(facts.origin)
        return replace(images, origin=origin).called(facts.name)

    def _file(self, digest: str) -> Path:
        return self._store / f"{digest[:16]}.safetensors"

    def _exists(self) -> bool:
        return self.path.is_file() and is_whole(self.path, self._read)

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
        **({} if images.origin is None else {"origin": images.origin.tolist()}),
    }
