"""Base class and types of the strict pydantic models for YAML files, and the formatting of their errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from papergan.errors import RecipeError, did_you_mean
from papergan.messages import quoted, sanitise

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Upper bounds, far beyond any real experiment, that reject typing errors before memory is allocated.
MAX_COUNT = 10**9
Packing = Annotated[int, Field(ge=1, le=64)]  # images that a discriminator sees together
Positive = Annotated[int, Field(ge=1, le=MAX_COUNT)]  # a number of consecutive steps, epochs, ...
SampleCount = Annotated[int, Field(ge=1, le=10_000_000)]  # images that a metric is computed from
Repeats = Annotated[int, Field(ge=1, le=10_000)]  # resamples, splits, epochs of a classifier
BatchSize = Annotated[int, Field(ge=1, le=65_536)]
Size = Annotated[int, Field(ge=1, le=4096)]  # of an image, pixels
Amount = Annotated[float, Field(gt=0, le=1e6)]  # of epochs, minutes, or a length
Seed = Annotated[int, Field(ge=-(2**63), lt=2**64)]  # accepted by torch's generators


def _reject_duplicates(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"each once, got {quoted(list(seeds))}")
    return seeds


# YAML: a list
Seeds = Annotated[
    tuple[Annotated[Seed, Field(ge=0)], ...], Field(min_length=1, max_length=1000, strict=False),
    AfterValidator(_reject_duplicates),
]  # fmt: skip


class StrictModel(BaseModel):
    """Rejects unknown keys, naming close matches, YAML's 10 for "10", true for 1, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions, and their present names."""

    @model_validator(mode="wrap")
    @classmethod
    def _no_unknown_keys(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Report unknown keys together with errors in the values of known ones; checks across keys are then skipped."""
        known = cls.model_fields
        unknown = sorted({str(key) for key in given if key not in known}) if isinstance(given, Mapping) else []
        if not unknown:
            return validate(given)
        message = "; ".join(cls._unknown(key) for key in unknown)
        errors = [InitErrorDetails(type=PydanticCustomError("unknown_key", message), loc=(), input=None)]
        try:
            validate({key: value for key, value in given.items() if key in known})
        except ValidationError as error:
            errors += map(_as_init_error, error.errors())
        raise ValidationError.from_exception_data(cls.__name__, errors)

    @classmethod
    def _unknown(cls, key: str) -> str:
        if key in cls.RENAMED:
            return f"{quoted(key)} is called {quoted(cls.RENAMED[key])} now"
        return f"unknown key {quoted(key)}{did_you_mean(key, cls.model_fields)}"

    @classmethod
    def parse(cls, name: str, given: Any) -> Self:
        """Validate configuration. Raises RecipeError with every error on one line, each with its place below `name`."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise RecipeError("; ".join(validation_errors(name, error))) from None


def _as_init_error(detail: ErrorDetails) -> InitErrorDetails:
    """A pydantic error in the form in which it can be raised again."""
    return InitErrorDetails(
        type=PydanticCustomError(detail["type"], detail["msg"]), loc=detail["loc"], input=detail["input"]
    )


def validation_errors(name: str, error: ValidationError) -> list[str]:
    """Each error with its place, `hybrid_cifar10.training.epochs: ...`."""
    return [
        ".".join([name, *(f"{one_line_error(part):.100}" for part in detail["loc"])])
        + ": "
        + format_validation_error(detail)
        for detail in error.errors()
    ]


def format_validation_error(detail: ErrorDetails) -> str:
    """One validation error and the value that caused it, on one line."""
    kind, given, message = detail["type"], detail["input"], detail["msg"]
    if kind in ("value_error", "unknown_key"):
        return message.removeprefix("Value error, ")
    if kind in ("missing", "extra_forbidden"):
        return "is missing" if kind == "missing" else "unknown key"
    if kind in ("model_type", "dict_type"):
        message = "expected a mapping of settings"
    return f"{message}, got {quoted(given)}{_hint(kind, given)}"


def _hint(kind: str, given: object) -> str:
    """A hint for values that YAML reads as an unintended type, such as 1e-4; else ""."""
    if kind == "string_type" and isinstance(given, int | float):
        return ": write it in quotes"
    if not isinstance(given, str) or not re.fullmatch(_NUMBERS.get(kind, ""), given):
        return ""
    number = re.sub(r"^([+-]?\d+)(?=[eE])", r"\1.0", given)
    return f", which is text: write {number} without quotes (YAML takes 1e-4 for text, 1.0e-4 for a number)"


_NUMBERS = {"int_type": r"[+-]?\d+", "float_type": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"}


def one_line_error(error: object) -> str:
    """The message of an error on one line; for a YAML error, with line and column in the file."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        error = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return sanitise(" ".join(str(error).split()))


def short_digest(tree: object) -> str:
    """A digest of plain values, 12 hexadecimal digits: equal for equal values, whatever the order of keys."""
    return sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]


def flattened(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Flatten nested mappings: `{"a": {"b": 1}}` to ("a.b", 1), each name after `prefix`."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flattened(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def deep_merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """`base` updated with `overlay`; mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        old = merged.get(key)
        merged[key] = deep_merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
