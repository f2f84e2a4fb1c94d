"""Named tensors with text metadata, their digest, and their safetensors files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from papergan.errors import CheckpointError
from papergan.messages import sanitise


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors by name, and metadata as text.

    tensors: any dtype and shape, on any device. metadata: text only, as safetensors requires.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over names, dtypes, shapes and bytes; metadata is not part of it."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            tensor = self.tensors[name].detach().cpu().contiguous()
            digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix.`, without the prefix."""
        return {name.removeprefix(f"{prefix}."): t for name, t in self.tensors.items() if name.startswith(f"{prefix}.")}


def safetensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file: the same bytes for the same content, in every process.

    tensors: contiguous, on the host, and without shared memory. The library writes metadata in the random order of a
    hash map; here the JSON header is rewritten with sorted keys, and everything after it is unchanged. The format:
    8 bytes of length, little-endian, the header padded with spaces to a multiple of 8, then the tensors, whose offsets
    count from the header's end (safetensors' README, "Format").
    """
    from safetensors.torch import save

    content = save(dict(tensors), dict(metadata))
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(
        json.loads(content[8:start]), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    header += b" " * (-len(header) % 8)
    return b"".join([len(header).to_bytes(8, "little"), header, memoryview(content)[start:]])


def encode(weights: Weights) -> bytes:
    """The bytes of a safetensors file, the same for the same weights on any device and in any memory layout."""
    # A copy of each, since safetensors rejects tensors that share memory.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.tensors.items()
    }
    about = {**weights.metadata, "digest": weights.digest}
    return safetensors_bytes(tensors, {**about, "metadata_digest": _digest_of(about)})


def decode(content: bytes, path: Path) -> Weights:
    """The inverse of `encode`. path: for the message."""
    from safetensors.torch import load

    try:
        weights = Weights(load(content))  # rejects lengths and offsets beyond the content
        length = int.from_bytes(content[:8], "little")
        about = dict(json.loads(content[8 : 8 + length]).get("__metadata__", {}))
        found, found_about = weights.digest, _digest_of({k: v for k, v in about.items() if k != "metadata_digest"})
    except Exception as error:  # safetensors, json and torch raise many types on invalid data; all mean the same
        raise CheckpointError(f"{path} is not a whole safetensors file ({sanitise(error)}); make it again") from error
    recorded, recorded_about = about.pop("digest", None), about.pop("metadata_digest", None)
    if found != recorded:
        raise CheckpointError(f"{path} is damaged: expected digest {sanitise(recorded)}, got {found}; make it again")
    if found_about != recorded_about:
        raise CheckpointError(f"{path} is damaged: its metadata is not what was saved; make it again")
    return Weights(weights.tensors, about)


def _digest_of(about: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
