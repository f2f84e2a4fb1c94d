"""A data set of vectors as one file."""

from __future__ import annotations

import json
from pathlib import Path

from papergan.datasets.atomic_file import AtomicFileDataset
from papergan.errors import DataError
from papergan.vectors.vectors import VectorSet, VectorSplits
from papergan.weights import Weights, decode, encode

SPLITS = ("train", "test")


class VectorSplitsDataset(AtomicFileDataset[VectorSplits]):
    """VectorSplits as safetensors. Raises DataError if a number or a name differs from what was saved."""

    def _encode(self, data: VectorSplits) -> bytes:
        splits = dict(zip(SPLITS, (data.train, data.test), strict=True))
        about = {"columns": json.dumps(data.train.columns), "vectors": data.digest}
        about |= {f"{split}.name": one.name for split, one in splits.items()}
        return encode(Weights({split: one.values.contiguous() for split, one in splits.items()}, about))

    def _decode(self, content: bytes, path: Path) -> VectorSplits:
        weights = decode(content, path)
        try:
            about, columns = weights.metadata, tuple(json.loads(weights.metadata["columns"]))
            found = VectorSplits(
                *(VectorSet(about[f"{split}.name"], weights.tensors[split], columns) for split in SPLITS)
            )
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path} is not a whole file of vectors; run the pipeline from its first node") from error
        if found.digest != about["vectors"]:
            raise DataError(f"{path} is damaged; run the pipeline from its first node")
        return found
