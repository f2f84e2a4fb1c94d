"""Weights as safetensors with a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch

from papergan.datasets.atomic_file import AtomicFileDataset
from papergan.errors import CheckpointError
from papergan.messages import sanitise
from papergan.weights import Weights, safetensors_bytes


class WeightsDataset(AtomicFileDataset[Weights]):
    """Weights as one safetensors file; its metadata gains two digests, checked and taken off again on loading.

    `digest` is that of the tensors, `Weights.digest`; `metadata_digest` is of all the other metadata.
    Raises CheckpointError where the file is foreign, or anything in it is damaged, be it by one bit.
    """

    def _encode(self, data: Weights) -> bytes:
        return encode(data)

    def _decode(self, content: bytes, path: Path) -> Weights:
        return decode(content, path)


def encode(weights: Weights) -> bytes:
    """The bytes of a safetensors file, the same for the same weights, wherever and however they lie in memory."""
    # A copy of each, since safetensors refuses tensors that share memory.
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
        weights = Weights(load(content))  # refuses lengths and offsets beyond the content
        length = int.from_bytes(content[:8], "little")
        about = dict(json.loads(content[8 : 8 + length]).get("__metadata__", {}))
        found, found_about = weights.digest, _digest_of({k: v for k, v in about.items() if k != "metadata_digest"})
    except Exception as error:  # safetensors, json and torch raise many types on garbage; each means the same here
        raise CheckpointError(f"{path} is not a whole safetensors file ({sanitise(error)}); make it again") from error
    recorded, recorded_about = about.pop("digest", None), about.pop("metadata_digest", None)
    if found != recorded:
        raise CheckpointError(f"{path} is damaged: expected digest {sanitise(recorded)}, got {found}; make it again")
    if found_about != recorded_about:
        raise CheckpointError(f"{path} is damaged: its metadata is not what was saved; make it again")
    return Weights(weights.tensors, about)


def _digest_of(about: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
