"""Models of what people write in YAML: nothing unknown, nothing converted, close matches for what is misspelt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from papergan.errors import did_you_mean


class Strict(BaseModel):
    """Refuses unknown keys with close matches, YAML's 10 for "10", true for 1, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_keys(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (unknown := sorted(set(map(str, given)) - set(cls.model_fields))):
            raise ValueError("; ".join(f"unknown key {key!r}{did_you_mean(key, cls.model_fields)}" for key in unknown))
        return given
