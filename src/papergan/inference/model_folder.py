"""The stored form of a trained generator: a folder of weights, configuration, model card and samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papergan.atomic_files import read_regular, write_whole
from papergan.data.memory import read_into_memory
from papergan.errors import CheckpointError, StorageError
from papergan.messages import quoted, sanitise
from papergan.weights import Weights, decode, encode

FORMAT = 1
WEIGHTS, CONFIG, CARD, PICTURE = "model.safetensors", "config.json", "README.md", "samples.png"
FIELDS: dict[str, type | tuple[type, ...]] = {
    "format": int, "papergan": str, "system": str, "settings": dict, "image": dict, "prior": dict, "classes": list,
    "conditional": bool, "progress": dict, "weights": str, "encoder": bool, "digest": str,
}  # fmt: skip
"""Entries of config.json required for loading, and their types; `about` holds everything else."""


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A generator in its stored form.

    tensors: names begin with "generator.", "prior." or "encoder.". config: the entries of FIELDS, from which the
    networks are built; and `about`, information on the model: recipe, data set, protocols, metrics, versions.
    card: the model card, Markdown; "" if only the file of weights is available. picture: samples.png, b"" = none.
    """

    tensors: Weights
    config: Mapping[str, Any]
    card: str = ""
    picture: bytes = b""

    @property
    def about(self) -> dict[str, Any]:
        return dict(self.config.get("about", {}))


def output_of(config: Mapping[str, Any]) -> str:
    """What a stored model makes: "images", "sounds" or "rows of a table"."""
    return "sounds" if "sound" in config else "rows of a table" if "vector" in config else "images"


def refuse_diverged(config: Mapping[str, Any]) -> None:
    """Raise CheckpointError for the model of a diverged training run, which contains no generator."""
    if "diverged" in config:
        raise CheckpointError(f"there is no generator in this model: its training {sanitise(config['diverged'])}")


def write_model(folder: Path, model: StoredModel) -> None:
    """Write the files, config.json last: a folder that has it is complete.

    Raises StorageError if the disk cannot be written.
    """
    files = {WEIGHTS: encode_model(model), CARD: model.card.encode()} | (
        {PICTURE: model.picture} if model.picture else {}
    )
    config = {**model.config, "files": {name: _sha256(content) for name, content in files.items()}}
    for name, content in files.items():
        write_whole(folder / name, content)
    write_whole(folder / CONFIG, json.dumps({**config, "sha256": _digest(config)}, indent=1).encode())


def encode_model(model: StoredModel) -> bytes:
    """The file of weights, which also holds the configuration and can be loaded alone."""
    return encode(Weights(model.tensors.tensors, {"config": json.dumps(model.config, sort_keys=True)}))


def read_model(path: Path) -> StoredModel:
    """Read and verify the model in a folder, or in a file of weights alone: even one flipped bit is detected.

    Raises CheckpointError if something is missing, damaged, or from a newer version of papergan.
    """
    if path.is_dir():
        return _read_folder(path)
    return _read_file(path, _bytes_of(path))


def _read_folder(folder: Path) -> StoredModel:
    config = _read_config(folder / CONFIG)
    names = {WEIGHTS: None, CARD: None} | ({PICTURE: None} if PICTURE in config["files"] else {})
    files = {name: _bytes_of(folder / name) for name in names}
    for name, content in files.items():
        if _sha256(content) != config["files"].get(name):
            raise CheckpointError(
                f"{folder / name} is damaged, or of another model: its digest is not that of {CONFIG}"
            )
    model = _read_file(folder / WEIGHTS, files[WEIGHTS])
    if any(config.get(name) != value for name, value in model.config.items()):
        raise CheckpointError(f"{folder}: {CONFIG} and {WEIGHTS} are of two models; copy or download the folder again")
    return StoredModel(model.tensors, model.config, files[CARD].decode(errors="replace"), files.get(PICTURE, b""))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_bytes_of(path))
        recorded = content.pop("sha256", None)
        whole = recorded == _digest(content) and isinstance(content["files"], dict)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not the configuration of a model ({sanitise(error)}); copy or download the folder again"
        ) from None
    if not whole:
        raise CheckpointError(
            f"{path} is damaged: its content is not what was saved; copy or download the folder again"
        )
    _check_format(path, content)
    return dict(content)


def _read_file(path: Path, content: bytes) -> StoredModel:
    weights = decode(content, path)
    try:
        config = json.loads(weights.metadata["config"])
    except (KeyError, ValueError):
        raise CheckpointError(
            f"{path} is not a model of papergan: it has no configuration in it; give the folder of an experiment"
        ) from None
    _check_format(path, config)
    missing = [name for name, kind in FIELDS.items() if not isinstance(config.get(name), kind)]
    if missing:
        raise CheckpointError(f"{path}: its configuration lacks {', '.join(missing)}, or has something else there")
    if encode(weights) != content:  # changes that no digest covers, such as in the header's padding
        raise CheckpointError(f"{path} is damaged: its bytes are not those that were saved; copy or download it again")
    return StoredModel(weights, config)


def _check_format(path: Path, config: Mapping[str, Any]) -> None:
    number = config.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise CheckpointError(
            f"{path} has format {number}, written by papergan {quoted(config.get('papergan'))}; this version reads up "
            f"to {FORMAT}: install a newer papergan"
        )
    if number != FORMAT:
        raise CheckpointError(f"{path}: expected a model of format {FORMAT}, got {quoted(number)}")


def _bytes_of(path: Path) -> bytes:
    try:
        return read_into_memory(path) if path.name.endswith(".safetensors") else read_regular(path)
    except StorageError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist; a model has {WEIGHTS}, {CONFIG} and {CARD}") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(config: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(config, sort_keys=True).encode())
