"""Named tensors with text metadata: what is saved as safetensors, and what a digest vouches for."""

from __future__ import annotations

import hashlib
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
