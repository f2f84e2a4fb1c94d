"""References in the catalog: a JSON pointer to features in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter

from papergan.datasets.atomic_file import read_bytes
from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.datasets.feature_cache import FeatureCache
from papergan.errors import EvaluationError
from papergan.evaluation.protocol import Split
from papergan.evaluation.reference import ExtractorFacts, ImageFeatures, Reference, References
from papergan.messages import sanitise
from papergan.weights import Weights


def cached_features(
    cache: FeatureCache, extractor: ExtractorFacts, name: str, digest: str, count: int, look: Callable[[], Weights]
) -> ImageFeatures:
    """The features by this extractor of `count` images with this digest: from the cache, else from `look`.

    Raises EvaluationError if the cached file holds something else.
    """
    key = _cache_key(extractor, name, digest, count)
    found = cache.get_or_compute(*key, look)
    try:
        cached = ImageFeatures.from_weights(found)
        if (cached.name, cached.digest, len(cached)) != (name, digest, count):
            raise EvaluationError(f"it holds {len(cached)} features of {cached.name}")
    except Exception as error:  # tensors of any shape may lie under these names; torch raises many types
        raise EvaluationError(
            f"{cache.path_of(*key)} does not hold the features of {sanitise(name)} ({sanitise(error)}); delete it"
        ) from error
    return cached


def _cache_key(extractor: ExtractorFacts, name: str, digest: str, count: int) -> tuple[str, dict[str, object]]:
    """`kind` and `made_from` of FeatureCache."""
    return f"features-{extractor.name}", {
        "name": name, "images": digest, "count": count, "extractor": extractor.digest,
        "preprocessing": extractor.preprocessing,
    }  # fmt: skip


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


class ReferencesDataset(DigestedJSONDataset[Any]):
    """A JSON file at `filepath`: extractors, floors, and sets of images by digest.

    The features themselves are in the cache at `cache`, once per set of images and extractor.

    Raises EvaluationError if the file is damaged, or the cache has lost the features that it points to.
    """

    what, remedy = "reference", "build it again"

    def __init__(self, *, filepath: str, cache: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._cache = FeatureCache(Path(cache))

    def files(self) -> set[Path]:
        """The files in the cache that the pointer names. Raises EvaluationError or StorageError if it is damaged."""
        entries = super()._decode(read_bytes(self.path, self.most), self.path).values()
        sets = [(one.extractor, facts) for one in entries for facts in (one.real, one.held_out) if facts]
        return {
            self._cache.path_of(*_cache_key(extractor, facts.name, facts.digest, facts.count))
            for extractor, facts in sets
        }

    def _to_document(self, data: References) -> dict[str, Any]:
        return {
            name: {
                "extractor": asdict(held.extractor), "split": held.split, "real": _facts(held.real),
                "held_out": held.held_out and _facts(held.held_out), "floor": held.floor,
                "floor_count": held.floor_count,
            }
            for name, held in data.items()
        }  # fmt: skip

    def _from_document(self, document: dict[str, Any]) -> dict[str, _Entry]:
        return _POINTER.validate_python(document)

    def _decode(self, content: bytes, path: Path) -> References:
        return {name: self._reference(entry) for name, entry in super()._decode(content, path).items()}

    def _reference(self, entry: _Entry) -> Reference:
        real = self._features(entry.extractor, entry.real)
        held_out = None if entry.held_out is None else self._features(entry.extractor, entry.held_out)
        return Reference(entry.extractor, entry.split, real, held_out, entry.floor, entry.floor_count)

    def _features(self, extractor: ExtractorFacts, facts: _Facts) -> ImageFeatures:
        def gone() -> NoReturn:
            raise EvaluationError(
                f"{self.path}: the features of {sanitise(facts.name)} by {extractor.name} are gone; build them again"
            )

        return cached_features(self._cache, extractor, facts.name, facts.digest, facts.count, gone)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "cache": str(self._cache.folder)}


def _facts(features: ImageFeatures) -> dict[str, Any]:
    return {"name": features.name, "digest": features.digest, "count": len(features)}
