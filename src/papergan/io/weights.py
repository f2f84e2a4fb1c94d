"""Weights as safetensors, vouched for by their digest."""

from __future__ import annotations

from pathlib import Path

import torch

from papergan.errors import CheckpointError
from papergan.io.whole_file import WholeFileDataset
from papergan.weights import Weights


class WeightsDataset(WholeFileDataset[Weights]):
    """Weights as one safetensors file; the metadata gains `digest`, which is checked and taken off again on loading.

    Raises CheckpointError where the file is foreign, or a tensor in it is damaged, be it by one bit.
    """

    def _encode(self, data: Weights) -> bytes:
        return encode(data)

    def _decode(self, content: bytes, path: Path) -> Weights:
        return decode(content, path)


def encode(weights: Weights) -> bytes:
    """The bytes of a safetensors file; tensors are brought to the host and laid out contiguously, each on its own."""
    from safetensors.torch import save

    # A copy of each, since safetensors refuses tensors that share memory.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.tensors.items()
    }
    content: bytes = save(tensors, {**weights.metadata, "digest": weights.digest})
    return content


def decode(content: bytes, path: Path) -> Weights:
    """The inverse of `encode`. path: for the message."""
    import json

    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        length = int.from_bytes(content[:8], "little")
        metadata = dict(json.loads(content[8 : 8 + length]).get("__metadata__", {}))
        weights = Weights(load(content))
    except (SafetensorError, ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); make it again") from error
    recorded = metadata.pop("digest", None)
    if weights.digest != recorded:
        raise CheckpointError(f"{path} is damaged: expected digest {recorded}, got {weights.digest}; make it again")
    return Weights(weights.tensors, metadata)
