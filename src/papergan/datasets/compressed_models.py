"""Compressed generators as a Kedro dataset: a model folder for each, with its ONNX file next to the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from papergan.atomic_files import storage_errors, write_whole
from papergan.data.memory import read_into_memory
from papergan.datasets.atomic_file import is_whole
from papergan.inference.model_folder import CARD, CONFIG, PICTURE, WEIGHTS, StoredModel, read_model, write_model

ONNX = "model.onnx"


@dataclass(frozen=True, eq=False)
class CompressedFiles:
    """The stored forms of a variant. model: None if only ONNX Runtime runs it; onnx: None if only torch does."""

    model: StoredModel | None
    onnx: bytes | None


class CompressedModelsDataset(AbstractDataset[Mapping[str, CompressedFiles], dict[str, CompressedFiles]]):
    """One folder per variant, by its name; variants that an earlier run saved under other names are kept.

    An earlier variant of the same name is replaced completely, in both forms.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.folder, self.metadata = Path(filepath), metadata

    def save(self, data: Mapping[str, CompressedFiles]) -> None:
        for name, files in data.items():
            earlier = [ONNX] if files.onnx is None else []
            earlier += [CONFIG, WEIGHTS, CARD, PICTURE] if files.model is None else []
            with storage_errors(self.folder / name):
                for file in earlier:
                    (self.folder / name / file).unlink(missing_ok=True)
            if files.onnx is not None:
                write_whole(self.folder / name / ONNX, files.onnx)
            if files.model is not None:
                write_model(self.folder / name, files.model)

    def load(self) -> dict[str, CompressedFiles]:
        found = {path.parent for kind in (CONFIG, ONNX) for path in self.folder.rglob(kind)}
        return {str(path.relative_to(self.folder)): self._read(path) for path in sorted(found)}

    def _read(self, place: Path) -> CompressedFiles:
        model = read_model(place) if (place / CONFIG).is_file() else None
        return CompressedFiles(model, read_into_memory(place / ONNX) if (place / ONNX).is_file() else None)

    def _exists(self) -> bool:
        models = [path.parent for path in sorted(self.folder.rglob(CONFIG))] if self.folder.is_dir() else []
        return bool(models) and all(is_whole(place, partial(read_model, place)) for place in models)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.folder)}
