"""Weights as safetensors with a digest."""

from __future__ import annotations

from pathlib import Path

from papergan.datasets.atomic_file import AtomicFileDataset
from papergan.weights import Weights, decode, encode


class WeightsDataset(AtomicFileDataset[Weights]):
    """Weights as one safetensors file; its metadata gains two digests, checked and removed on loading.

    `digest` is that of the tensors, `Weights.digest`; `metadata_digest` covers all other metadata.
    Raises CheckpointError if the file is foreign, or anything in it is damaged, even by one bit.
    """

    def _encode(self, data: Weights) -> bytes:
        return encode(data)

    def _decode(self, content: bytes, path: Path) -> Weights:
        return decode(content, path)
