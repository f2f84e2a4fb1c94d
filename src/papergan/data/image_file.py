"""One ImageSet in one safetensors file: pixels, labels, what they are, and the digest that vouches for them."""

from __future__ import annotations

import json
from pathlib import Path

from papergan.atomic_files import check_regular, write_whole
from papergan.data.images import ImageSet
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
    except Exception as problem:  # safetensors and json raise many types on garbage; each means the same here
        raise DataError(f"{path} is not a whole file of images ({sanitise(problem)})") from problem
    if image_set.digest != recorded:
        raise DataError(f"{path} is damaged: expected content digest {sanitise(recorded)}, got {image_set.digest}")
    return image_set


def _check_file(path: Path) -> None:
    """Before safetensors opens it, which waits at a pipe and maps what it is told to."""
    try:
        check_regular(path)
        size = path.stat().st_size
    except FileNotFoundError as problem:
        raise DataError(f"{path} does not exist") from problem
    except OSError as problem:
        said = str(problem) if isinstance(problem, StorageError) else f"{path} cannot be read ({problem.strerror})"
        raise DataError(said) from problem
    check_memory(str(path), size, "make room, or remove the file where it should not be as large")
