"""conf/base/mlflow.yml, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from papergan.errors import RecipeError, did_you_mean


class MlflowConfiguration(BaseModel):
    """Where runs are kept.

    tracking_uri: of the store, for example sqlite:////absolute/path/mlflow.db. artifacts: folder for files of new
    MLflow experiments, with a sqlite store. experiment_prefix: stands before the document's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    tracking_uri: str
    artifacts: str
    experiment_prefix: str = "papergan"

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> MlflowConfiguration:
        """Raises RecipeError naming the first wrong key, with close matches."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            hint = did_you_mean(key, cls.model_fields) if first["type"] == "extra_forbidden" else ""
            raise RecipeError(f"mlflow.yml: {key}: {first['msg']}{hint}") from None
