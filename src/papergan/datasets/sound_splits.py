"""A data set of sounds as one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from papergan.datasets.atomic_file import AtomicFileDataset
from papergan.errors import DataError
from papergan.sound.sounds import SoundSet, SoundSplits
from papergan.weights import Weights, decode, encode

SPLITS = ("train", "test")


class SoundSplitsDataset(AtomicFileDataset[SoundSplits]):
    """SoundSplits as safetensors. Raises DataError if a sound, a label or the rate differs from what was saved."""

    def _encode(self, data: SoundSplits) -> bytes:
        tensors: dict[str, Tensor] = {}
        about = {"classes": json.dumps(data.train.classes), "rate": str(data.train.rate)}
        for name, one in zip(SPLITS, (data.train, data.test), strict=True):
            tensors |= {f"{name}.samples": one.samples.contiguous(), f"{name}.labels": one.labels.contiguous()}
            about |= {f"{name}.name": one.name, f"{name}.digest": one.digest}
        return encode(Weights(tensors, about))

    def _decode(self, content: bytes, path: Path) -> SoundSplits:
        weights = decode(content, path)
        try:
            return SoundSplits(*(self._split(weights, name, path) for name in SPLITS))
        except (KeyError, ValueError) as error:
            raise DataError(f"{path} is not a whole file of sounds; run the pipeline from its first node") from error

    def _split(self, weights: Weights, name: str, path: Path) -> SoundSet:
        about: dict[str, Any] = dict(weights.metadata)
        found = SoundSet(
            about[f"{name}.name"], weights.tensors[f"{name}.samples"], weights.tensors[f"{name}.labels"],
            tuple(json.loads(about["classes"])), int(about["rate"]),
        )  # fmt: skip
        if found.digest != about[f"{name}.digest"]:
            raise DataError(f"{path} is damaged; run the pipeline from its first node")
        return found
