"""The images of an experiment: a JSON pointer to image files that experiments share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from papergan.data.declarations import Sha256
from papergan.data.images import ImageSet, ImageSplits, load_image_set, save_image_set
from papergan.data.input_images import InputSet, InputSplits, load_input_set, save_input_set
from papergan.datasets.atomic_file import read_bytes
from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.errors import DataError


class _Facts(BaseModel):
    """A split in a pointer; other keys are for human readers. origin: `ImageSet.origin`."""

    name: str
    digest: Sha256
    origin: list[int] | None = None


class _Inputs(BaseModel):
    """The input images of both splits."""

    train: _Facts
    test: _Facts


class _Pointer(BaseModel):
    train: _Facts
    test: _Facts
    validation: _Facts | None = None
    inputs: _Inputs | None = None


class ImageSplitsDataset(DigestedJSONDataset[Any]):
    """A small JSON file at `filepath` that names the splits by digest; the images are in `store`, once per content.

    Loading checks every digest, including the pointer's. Raises EvaluationError if the pointer is damaged, DataError if
    an image file is.
    """

    what, remedy = "pointer to images", "ingest again"

    def __init__(self, *, filepath: str, store: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._store = Path(store)

    def files(self) -> set[Path]:
        """The image files that the pointer names. Raises EvaluationError or StorageError if it cannot be read."""
        pointer = super()._decode(read_bytes(self.path, self.most), self.path)
        splits = [pointer.train, pointer.test, pointer.validation]
        splits += [] if pointer.inputs is None else [pointer.inputs.train, pointer.inputs.test]
        return {self._file(facts.digest) for facts in splits if facts is not None}

    def _encode(self, data: ImageSplits) -> bytes:
        """Save the images, then encode the pointer."""
        for images in (data.train, data.test, data.validation):
            if images is not None and not _holds(self._file(images.digest), images):
                save_image_set(self._file(images.digest), images)
        for inputs in () if data.inputs is None else (data.inputs.train, data.inputs.test):
            if not _holds_inputs(self._file(inputs.digest), inputs):
                save_input_set(self._file(inputs.digest), inputs)
        return super()._encode(data)

    def _to_document(self, data: ImageSplits) -> dict[str, Any]:
        further: dict[str, Any] = {} if data.validation is None else {"validation": _facts(data.validation)}
        if data.inputs is not None:
            further["inputs"] = {split: _input_facts(getattr(data.inputs, split)) for split in ("train", "test")}
        return {"train": _facts(data.train), "test": _facts(data.test), **further}

    def _from_document(self, document: dict[str, Any]) -> _Pointer:
        return _Pointer.model_validate(document)

    def _decode(self, content: bytes, path: Path) -> ImageSplits:
        pointer = super()._decode(content, path)
        held = None if pointer.validation is None else self._images(pointer.validation)
        inputs = None
        if pointer.inputs is not None:
            inputs = InputSplits(self._inputs(pointer.inputs.train), self._inputs(pointer.inputs.test))
        return ImageSplits(self._images(pointer.train), self._images(pointer.test), held, inputs)

    def _images(self, facts: _Facts) -> ImageSet:
        images = load_image_set(self._file(facts.digest))
        if images.digest != facts.digest:
            raise DataError(f"{self._file(facts.digest)} holds other images than its name says; ingest again")
        if facts.origin is not None and len(facts.origin) != len(images):
            raise DataError(f"{self.path} names {len(facts.origin)} images of {len(images)}; ingest again")
        origin = None if facts.origin is None else torch.tensor(facts.origin)
        return replace(images, origin=origin).called(facts.name)

    def _inputs(self, facts: _Facts) -> InputSet:
        inputs = load_input_set(self._file(facts.digest))
        if inputs.digest != facts.digest:
            raise DataError(f"{self._file(facts.digest)} holds other images than its name says; ingest again")
        return replace(inputs, name=facts.name)

    def _file(self, digest: str) -> Path:
        return self._store / f"{digest[:16]}.safetensors"

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "store": str(self._store)}


def _holds(path: Path, images: ImageSet) -> bool:
    """Whether the file holds these images, whole. If not, they are written, so ingesting again repairs a store."""
    try:
        return load_image_set(path).digest == images.digest
    except DataError:
        return False


def _holds_inputs(path: Path, inputs: InputSet) -> bool:
    """As `_holds`, for input images."""
    try:
        return load_input_set(path).digest == inputs.digest
    except DataError:
        return False


def _input_facts(inputs: InputSet) -> dict[str, Any]:
    return {
        "name": inputs.name, "digest": inputs.digest, "count": len(inputs), "shape": list(inputs.images.shape[1:]),
        "paired": inputs.paired,
    }  # fmt: skip


def _facts(images: ImageSet) -> dict[str, Any]:
    return {
        "name": images.name,
        "digest": images.digest,
        "count": len(images),
        "shape": list(images.images.shape[1:]),
        "classes": list(images.classes),
        **({} if images.origin is None else {"origin": images.origin.tolist()}),
    }
