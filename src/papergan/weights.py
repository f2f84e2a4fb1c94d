"""Named tensors with text metadata: what is saved as safetensors, and what a digest vouches for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors by name, and what is to be known about them.

    tensors: any dtype and shape, on any device. metadata: text only, as safetensors demands.
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
        """The tensors whose names begin with `prefix.`, with the prefix taken off."""
        return {name.removeprefix(f"{prefix}."): t for name, t in self.tensors.items() if name.startswith(f"{prefix}.")}


def safetensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file: the same bytes for the same content, in every process.

    tensors: contiguous and on the host, no two of which share memory. The library writes metadata in the random order
    of a hash map; here the JSON header is written anew with its keys in order, and everything behind it stays as it is:
    8 bytes of length, low byte first, the header padded with spaces to a multiple of 8, then the tensors, whose offsets
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
