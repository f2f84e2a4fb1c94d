"""One ImageSet, or one InputSet, in one safetensors file: pixels, labels, classes and a digest."""

from __future__ import annotations

import json
from pathlib import Path

from papergan.atomic_files import check_regular, write_whole
from papergan.data.images import ImageSet
from papergan.data.input_images import InputSet
from papergan.data.memory import check_memory
from papergan.errors import DataError, StorageError
from papergan.messages import sanitise
from papergan.weights import safetensors_bytes


def save_image_set(path: Path, image_set: ImageSet) -> None:
    """Write `path` whole. Raises OSError where the folder or the disk does not allow it."""
    tensors = {"images": image_set.images.contiguous().cpu(), "labels": image_set.labels.contiguous().cpu()}
    metadata = {"name": image_set.name, "classes": json.dumps(image_set.classes), "digest": image_set.digest}
    write_whole(path, safetensors_bytes(tensors, metadata))


def load_image_set(path: Path) -> ImageSet:
    """Read a file that `save_image_set` wrote, and recompute its digest.

    Raises DataError where the file is missing, foreign, larger than the memory or damaged, be it by one bit.
    """
    from safetensors import safe_open

    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            recorded, name = metadata["digest"], metadata["name"]
            classes = tuple(str(one) for one in json.loads(metadata["classes"]))
            image_set = ImageSet(name, file.get_tensor("images"), file.get_tensor("labels"), classes)
    except Exception as error:  # safetensors and json raise many types on garbage; each means the same here
        raise DataError(f"{path} is not a whole file of images ({sanitise(error)})") from error
    if image_set.digest != recorded:
        raise DataError(f"{path} is damaged: expected content digest {sanitise(recorded)}, got {image_set.digest}")
    return image_set


def save_input_set(path: Path, input_set: InputSet) -> None:
    """Write `path` whole. Raises OSError as `save_image_set` does."""
    metadata = {"name": input_set.name, "paired": str(input_set.paired), "digest": input_set.digest}
    write_whole(path, safetensors_bytes({"images": input_set.images.contiguous().cpu()}, metadata))


def load_input_set(path: Path) -> InputSet:
    """Read a file that `save_input_set` wrote, and recompute its digest. Raises DataError as `load_image_set` does."""
    from safetensors import safe_open

    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            recorded = metadata["digest"]
            input_set = InputSet(metadata["name"], file.get_tensor("images"), metadata["paired"] == "True")
    except Exception as error:  # as in `load_image_set`
        raise DataError(f"{path} is not a whole file of input images ({sanitise(error)})") from error
    if input_set.digest != recorded:
        raise DataError(f"{path} is damaged: expected content digest {sanitise(recorded)}, got {input_set.digest}")
    return input_set


def _check_file(path: Path) -> None:
    """Refuse anything but a regular file that fits into memory; safetensors would wait at a pipe."""
    try:
        check_regular(path)
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except OSError as error:
        message = str(error) if isinstance(error, StorageError) else f"{path} cannot be read ({error.strerror})"
        raise DataError(message) from error
    check_memory(str(path), size, "make room, or remove the file where it should not be as large")
