"""Models of what people write in YAML: nothing unknown, nothing converted, close matches for what is misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

# Bounds are far beyond what anybody measures or trains, and before what ends in the allocator or takes centuries.
MOST = 10**9
Positive = Annotated[int, Field(ge=1, le=MOST)]  # a count of what is done one after the other
NotNegative = Annotated[int, Field(ge=0, le=MOST)]
Samples = Annotated[int, Field(ge=1, le=10_000_000)]  # images that a number is taken of
Repeats = Annotated[int, Field(ge=1, le=10_000)]  # resamples, splits, epochs of a classifier
BatchSize = Annotated[int, Field(ge=1, le=65_536)]
Size = Annotated[int, Field(ge=1, le=4096)]  # of an image, pixels
Amount = Annotated[float, Field(gt=0, le=1e6)]  # of epochs, minutes, or a length
Seed = Annotated[int, Field(ge=-(2**63), lt=2**64)]  # what torch's generators take


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"each once, got {quoted(list(seeds))}")
    return seeds


# YAML: a list
Seeds = Annotated[
    tuple[Annotated[Seed, Field(ge=0)], ...], Field(min_length=1, max_length=1000, strict=False),
    AfterValidator(_each_once),
]  # fmt: skip


class StrictModel(BaseModel):
    """Refuses unknown keys with close matches, YAML's 10 for "10", true for 1, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions, and what they are called now."""

    @model_validator(mode="wrap")
    @classmethod
    def _no_unknown_keys(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """The rest is looked at all the same, so that everything is said at once; only not how keys go together."""
        known = cls.model_fields
        unknown = sorted({str(key) for key in given if key not in known}) if isinstance(given, Mapping) else []
        if not unknown:
            return validate(given)
        message = "; ".join(cls._unknown(key) for key in unknown)
        faults = [InitErrorDetails(type=PydanticCustomError("unknown_key", message), loc=(), input=None)]
        try:
            validate({key: value for key, value in given.items() if key in known})
        except ValidationError as error:
            faults += map(_again, error.errors())
        raise ValidationError.from_exception_data(cls.__name__, faults)

    @classmethod
    def _unknown(cls, key: str) -> str:
        if key in cls.RENAMED:
            return f"{quoted(key)} is called {quoted(cls.RENAMED[key])} now"
        return f"unknown key {quoted(key)}{did_you_mean(key, cls.model_fields)}"

    @classmethod
    def parse(cls, name: str, given: Any) -> Self:
        """From configuration, under this name. Raises RecipeError with every fault on one line, each with its place."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise RecipeError("; ".join(validation_errors(name, error))) from None


def _again(fault: ErrorDetails) -> InitErrorDetails:
    """A fault as pydantic takes it back."""
    return InitErrorDetails(
        type=PydanticCustomError(fault["type"], fault["msg"]), loc=fault["loc"], input=fault["input"]
    )


def validation_errors(name: str, error: ValidationError) -> list[str]:
    """Each fault with its place, `hybrid_cifar10.training.epochs: ...`."""
    return [
        ".".join([name, *(f"{one_line_error(part):.100}" for part in fault["loc"])])
        + ": "
        + format_validation_error(fault)
        for fault in error.errors()
    ]


def format_validation_error(fault: ErrorDetails) -> str:
    """What is wrong with one value, and what it is, on one line."""
    kind, given, message = fault["type"], fault["input"], fault["msg"]
    if kind in ("value_error", "unknown_key"):
        return message.removeprefix("Value error, ")
    if kind in ("missing", "extra_forbidden"):
        return "is missing" if kind == "missing" else "unknown key"
    if kind in ("model_type", "dict_type"):
        message = "expected a mapping of settings"
    return f"{message}, got {quoted(given)}{_hint(kind, given)}"


def _hint(kind: str, given: object) -> str:
    """YAML's own rules on what is a number surprise people more than ours."""
    if kind == "string_type" and isinstance(given, int | float):
        return ": write it in quotes"
    if not isinstance(given, str) or not re.fullmatch(_NUMBERS.get(kind, ""), given):
        return ""
    number = re.sub(r"^([+-]?\d+)(?=[eE])", r"\1.0", given)
    return f", which is text: write {number} without quotes (YAML takes 1e-4 for text, 1.0e-4 for a number)"


_NUMBERS = {"int_type": r"[+-]?\d+", "float_type": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"}


def one_line_error(error: object) -> str:
    """What a library says, on one line; where it is about YAML, with the line and the column in the file."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        error = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return sanitise(" ".join(str(error).split()))


def flattened(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """`{"a": {"b": 1}}` as ("a.b", 1), each name behind `prefix`."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flattened(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
