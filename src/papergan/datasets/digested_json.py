"""JSON that vouches for itself: its numbers go into tables, where nobody could see that a bit of them was flipped."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, NewType, TypeVar

from pydantic import ValidationError

from papergan.atomic_files import DOCUMENT_BYTES
from papergan.datasets.atomic_file import AtomicFileDataset, read_text
from papergan.errors import EvaluationError
from papergan.messages import sanitise
from papergan.validation import validation_errors

T = TypeVar("T")
JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name
KEY = "sha256"


def encode_with_digest(document: Mapping[str, Any]) -> bytes:
    """`document` as JSON with one more key, "sha256": of the canonical JSON of all the others.

    Raises EvaluationError for a number that is NaN or infinite: it would be neither JSON nor a score.
    """
    try:
        return json.dumps({**document, KEY: _digest(document)}, indent=1, allow_nan=False).encode()
    except ValueError as error:
        raise EvaluationError(f"a result holds a number that is not finite ({error}); it is not saved") from error


def decode_with_digest(content: bytes, path: Path, remedy: str) -> dict[str, Any]:
    """The document that `encode_with_digest` got. path, remedy: for the message, which ends with what to do.

    Raises EvaluationError where it is no JSON, says nothing of its digest, or is damaged, be it by one bit.
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
    """SHA-256, hexadecimal. The same for equal documents: Python writes a float as the shortest text that is it."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


class DigestedJSONDataset(AtomicFileDataset[T], Generic[T]):
    """One JSON document with its digest. what, remedy: for the message, what it should hold and what to do."""

    what: ClassVar[str]
    remedy: ClassVar[str]
    most = DOCUMENT_BYTES

    @abstractmethod
    def _to_document(self, data: T) -> dict[str, Any]: ...

    @abstractmethod
    def _from_document(self, document: dict[str, Any]) -> T:
        """May raise ValidationError and EvaluationError, which are given their place."""

    def _encode(self, data: T) -> bytes:
        return encode_with_digest(self._to_document(data))

    def _decode(self, content: bytes, path: Path) -> T:
        document = decode_with_digest(content, path, self.remedy)
        try:
            return self._from_document(document)
        except ValidationError as error:
            fault = sanitise(validation_errors(self.what, error)[0])
        except EvaluationError as error:  # of a protocol
            fault = sanitise(error)
        raise EvaluationError(f"{path} holds no {self.what} ({fault}); {self.remedy}")

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(read_text(self.path))
