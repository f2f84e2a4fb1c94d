"""Models of what people write in YAML: nothing unknown, nothing converted, close matches for what is misspelt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from papergan.errors import RecipeError, did_you_mean

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Strict(BaseModel):
    """Refuses unknown keys with close matches, YAML's 10 for "10", true for 1, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (unknown := sorted(set(map(str, given)) - set(cls.model_fields))):
            raise ValueError("; ".join(f"unknown key {key!r}{did_you_mean(key, cls.model_fields)}" for key in unknown))
        return given

    @classmethod
    def parse(cls, name: str, given: Any) -> Self:
        """From configuration, under this name. Raises RecipeError with every fault on one line, each with its place."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise RecipeError("; ".join(faults_of(name, error))) from None


def faults_of(name: str, error: ValidationError) -> list[str]:
    """Each fault with its place, `hybrid_cifar10.training.epochs: ...`."""
    return [
        ".".join([name, *map(str, fault["loc"])]) + ": " + fault["msg"].removeprefix("Value error, ")
        for fault in error.errors()
    ]
