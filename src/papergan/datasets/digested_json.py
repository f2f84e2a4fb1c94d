"""JSON with a digest of its content, so that a flipped bit is detected before its numbers go into a table."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NewType, TypeVar

from kedro.io import DatasetError
from kedro.io.core import Version
from kedro.utils import load_obj
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from papergan.atomic_files import DOCUMENT_BYTES
from papergan.datasets.atomic_file import AtomicFileDataset, read_text
from papergan.errors import EvaluationError
from papergan.messages import quoted, sanitise
from papergan.validation import validation_errors

T = TypeVar("T")
JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name
KEY = "sha256"


def encode_with_digest(document: Mapping[str, Any]) -> bytes:
    """`document` as JSON with one more key, "sha256": the digest of the canonical JSON of all others.

    Raises EvaluationError for a number that is NaN or infinite: it would be neither JSON nor a score.
    """
    try:
        return json.dumps({**document, KEY: _digest(document)}, indent=1, allow_nan=False).encode()
    except ValueError as error:
        raise EvaluationError(f"a result holds a number that is not finite ({error}); it is not saved") from error


def decode_with_digest(content: bytes, path: Path, remedy: str) -> dict[str, Any]:
    """The document that was given to `encode_with_digest`. path, remedy: for the message, which ends with what to do.

    Raises EvaluationError if it is not JSON, has no digest, or is damaged, even by one bit.
    """
    try:
        document = json.loads(content)
        recorded = document.pop(KEY, None)
        digest = _digest(document)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:  # no JSON, no mapping, or too deep
        raise EvaluationError(f"{path} is damaged: no JSON document ({sanitise(error)}); {remedy}") from error
    if recorded is None:
        raise EvaluationError(f"{path} has no {KEY!r} that vouches for it; {remedy}")
    if recorded != digest:
        raise EvaluationError(f"{path} is damaged: its content is not what {KEY!r} vouches for; {remedy}")
    return dict(document)


def _digest(document: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal. Equal for equal documents: Python writes a float as the shortest text that restores it."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


class DigestedJSONDataset(AtomicFileDataset[T], Generic[T]):
    """One JSON document with its digest. what, remedy: for messages, what it should hold and what to do."""

    what: str
    remedy: str
    most = DOCUMENT_BYTES

    @abstractmethod
    def _to_document(self, data: T) -> dict[str, Any]: ...

    @abstractmethod
    def _from_document(self, document: dict[str, Any]) -> T:
        """May raise ValidationError and EvaluationError, to which the path is added."""

    def _encode(self, data: T) -> bytes:
        return encode_with_digest(self._to_document(data))

    def _decode(self, content: bytes, path: Path) -> T:
        document = decode_with_digest(content, path, self.remedy)
        try:
            return self._from_document(document)
        except ValidationError as error:
            reason = sanitise(validation_errors(self.what, error)[0])
        except EvaluationError as error:  # of a protocol
            reason = sanitise(error)
        raise EvaluationError(f"{path} holds no {self.what} ({reason}); {self.remedy}")

    def preview(self) -> JSONPreview:
        """The document for Kedro-Viz."""
        return JSONPreview(read_text(self.path))


class ModelDataset(DigestedJSONDataset[Any]):
    """An instance of a pydantic model as JSON, or, if `key` is given, a tuple of instances as {key: [...]}.

    model: a class of this project, "papergan.evaluation.scorecard.ImageScores". what, remedy: for the message.
    """

    def __init__(
        self,
        *,
        filepath: str,
        model: str,
        what: str,
        remedy: str,
        key: str | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self.what, self.remedy, self._key, self._model = what, remedy, key, _own_model(model)
        if key is not None:
            fields: Any = {key: (tuple[self._model, ...], ...)}  # type: ignore[name-defined]
            self._model = create_model("Document", __config__=ConfigDict(extra="forbid"), **fields)

    def _to_document(self, data: Any) -> dict[str, Any]:
        document = data if self._key is None else self._model(**{self._key: data})
        return dict(document.model_dump(mode="json"))

    def _from_document(self, document: dict[str, Any]) -> Any:
        made = self._model.model_validate(document)
        return made if self._key is None else getattr(made, self._key)


def _own_model(name: str) -> type[BaseModel]:
    """The class. Raises DatasetError for all but pydantic models of this project: a catalog runs no other code."""
    try:
        model = load_obj(name) if name.startswith("papergan.") else None
    except (ImportError, AttributeError):
        model = None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise DatasetError(
            f"model {quoted(name)} is not a pydantic model of papergan; name one, as papergan.module.Class"
        )
    return model
