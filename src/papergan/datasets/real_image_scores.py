"""Scores of real images as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.evaluation.real_image_scores import RealRow


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rows: tuple[RealRow, ...]


class RealRowsDataset(DigestedJSONDataset[tuple[RealRow, ...]]):
    """RealRows as JSON. Raises EvaluationError for anything else."""

    what, remedy = "scores of real images", "score them again"

    def _to_document(self, data: tuple[RealRow, ...]) -> dict[str, Any]:
        return _Rows(rows=data).model_dump(mode="json")

    def _from_document(self, document: dict[str, Any]) -> tuple[RealRow, ...]:
        return _Rows.model_validate(document).rows
