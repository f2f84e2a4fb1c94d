"""References in the catalog: a small file that says which features in the cache they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

from kedro.io import AbstractDataset
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from papergan.atomic_files import DOCUMENT_BYTES, write_whole
from papergan.datasets.atomic_file import is_whole, read_bytes, read_text
from papergan.datasets.digested_json import JSONPreview, decode_with_digest, encode_with_digest
from papergan.datasets.feature_cache import FeatureCache
from papergan.errors import EvaluationError
from papergan.evaluation.protocol import Split
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References
from papergan.messages import sanitise
from papergan.validation import validation_errors
from papergan.weights import Weights


def cached_features(
    cache: FeatureCache, extractor: ExtractorFacts, name: str, digest: str, count: int, look: Callable[[], Weights]
) -> ImageFeatures:
    """`count` images with this digest as this extractor sees them: from the cache, else what `look` returns now.

    Raises EvaluationError where something else lies in its place.
    """
    made_from = {
        "name": name, "images": digest, "count": count, "extractor": extractor.digest,
        "preprocessing": extractor.preprocessing,
    }  # fmt: skip
    kind = f"features-{extractor.name}"
    found = cache.get_or_compute(kind, made_from, look)
    try:
        cached = ImageFeatures.from_weights(found)
        if (cached.name, cached.digest, len(cached)) != (name, digest, count):
            raise EvaluationError(f"it holds {len(cached)} features of {cached.name}")
    except Exception as error:  # tensors of any shape may lie under these names; torch raises many types
        place = cache.path_of(kind, made_from)
        raise EvaluationError(
            f"{place} does not hold the features of {sanitise(name)} ({sanitise(error)}); delete it"
        ) from error
    return cached


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    digest: str
    count: int


def _named_plainly(extractor: ExtractorFacts) -> ExtractorFacts:
    if not extractor.name.isidentifier():  # it becomes part of a file name
        raise ValueError(f"an extractor called {extractor.name!r}")
    return extractor


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    extractor: Annotated[ExtractorFacts, AfterValidator(_named_plainly)]
    split: Split
    real: _Facts
    held_out: _Facts | None
    floor: float | None
    floor_count: int


_POINTER = TypeAdapter(dict[str, _Entry])


class ReferencesDataset(AbstractDataset[References, References]):
    """A JSON at `filepath`: extractors, floors, and sets of images by digest.

    The features themselves lie in the cache at `cache`, once per images and extractor.

    Raises EvaluationError where the file is damaged, or the cache has lost what it points to.
    """

    def __init__(self, *, filepath: str, cache: str, metadata: dict[str, Any] | None = None) -> None:
        self.path, self._cache = Path(filepath), FeatureCache(Path(cache))
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
        write_whole(self.path, encode_with_digest(pointer))

    def load(self) -> References:
        return self._read()

    def _read(self) -> References:
        try:
            content = read_bytes(self.path, DOCUMENT_BYTES)
            pointer = _POINTER.validate_python(decode_with_digest(content, self.path, "build it again"))
        except ValidationError as error:
            fault = sanitise(validation_errors("reference", error)[0])
            raise EvaluationError(f"{self.path} leads to no reference ({fault}); build it again") from error
        return {name: self._reference(entry) for name, entry in pointer.items()}

    def _reference(self, entry: _Entry) -> Reference:
        real = self._sight(entry.extractor, entry.real)
        held_out = None if entry.held_out is None else self._sight(entry.extractor, entry.held_out)
        return Reference(entry.extractor, entry.split, real, held_out, entry.floor, entry.floor_count)

    def _sight(self, extractor: ExtractorFacts, facts: _Facts) -> ImageFeatures:
        def gone() -> NoReturn:
            raise EvaluationError(
                f"{self.path}: the features of {sanitise(facts.name)} by {extractor.name} are gone; build them again"
            )

        return cached_features(self._cache, extractor, facts.name, facts.digest, facts.count, gone)

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(read_text(self.path))

    def _exists(self) -> bool:
        return self.path.is_file() and is_whole(self.path, self._read)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "cache": str(self._cache.folder)}


def _facts(features: ImageFeatures) -> dict[str, Any]:
    return {"name": features.name, "digest": features.digest, "count": len(features)}
