"""References in the catalog: a small file that says which features on the shelf they are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NewType, NoReturn

from kedro.io import AbstractDataset

from papergan.errors import EvaluationError
from papergan.evaluation.reference import ExtractorFacts, Reference, References, Sight
from papergan.files import write_whole
from papergan.io.shelf import WeightsShelf
from papergan.weights import Weights

JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name


def shelved_sight(
    shelf: WeightsShelf, extractor: ExtractorFacts, name: str, digest: str, count: int, look: Callable[[], Weights]
) -> Sight:
    """`count` images with this digest as this extractor sees them: from the shelf, else what `look` returns now."""
    made_from = {
        "name": name, "images": digest, "count": count, "extractor": extractor.digest,
        "preprocessing": extractor.preprocessing,
    }  # fmt: skip
    return Sight.from_weights(shelf.fetch(f"features-{extractor.name}", made_from, look))


class ReferencesDataset(AbstractDataset[References, References]):
    """A JSON at `filepath`: extractors, floors, and sets of images by digest.

    The features themselves lie on the shelf of `shelf`, once per images and extractor.

    Raises EvaluationError where the file is damaged, or the shelf has lost what it points to.
    """

    def __init__(self, *, filepath: str, shelf: str, metadata: dict[str, Any] | None = None) -> None:
        self.path, self._shelf = Path(filepath), WeightsShelf(Path(shelf))
        self.metadata = metadata

    def save(self, data: References) -> None:
        pointer = {
            name: {
                "extractor": asdict(held.extractor), "split": held.split, "real": _facts(held.real),
                "held_out": held.held_out and _facts(held.held_out), "floor": held.floor,
                "floor_count": held.floor_count,
            }
            for name, held in data.items()
        }  # fmt: skip
        write_whole(self.path, json.dumps(pointer, indent=1).encode())

    def load(self) -> References:
        try:
            pointer = json.loads(self.path.read_bytes())
            return {name: self._reference(entry) for name, entry in pointer.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EvaluationError(
                f"{self.path} does not lead to the reference of an experiment ({error}); build it again"
            ) from error

    def _reference(self, entry: dict[str, Any]) -> Reference:
        facts = entry["extractor"]
        extractor = ExtractorFacts(**{**facts, "class_names": tuple(facts["class_names"])})
        real = self._sight(extractor, **entry["real"])
        held_out = self._sight(extractor, **entry["held_out"]) if entry["held_out"] else None
        return Reference(extractor, entry["split"], real, held_out, entry["floor"], entry["floor_count"])

    def _sight(self, extractor: ExtractorFacts, name: str, digest: str, count: int) -> Sight:
        def gone() -> NoReturn:
            raise EvaluationError(f"{self.path}: the features of {name} by {extractor.name} are gone; build them again")

        return shelved_sight(self._shelf, extractor, name, digest, count, gone)

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))

    def _exists(self) -> bool:
        return self.path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "shelf": str(self._shelf.folder)}


def _facts(sight: Sight) -> dict[str, Any]:
    return {"name": sight.name, "digest": sight.digest, "count": len(sight)}
