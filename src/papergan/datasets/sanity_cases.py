"""What every metric says to every damage, as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.evaluation.metric_sanity import Case


class _Case(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    corruption: str
    strength: float
    metrics: dict[str, float]


class _Cases(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cases: list[_Case]


class SanityCasesDataset(DigestedJSONDataset[list[Case]]):
    """Cases of the sanity page as JSON. Raises EvaluationError for anything else."""

    what, remedy = "cases of the sanity page", "run metric_sanity again"

    def _to_document(self, data: list[Case]) -> dict[str, Any]:
        return {"cases": data}

    def _from_document(self, document: dict[str, Any]) -> list[Case]:
        cases = _Cases.model_validate(document).cases
        return [Case(corruption=case.corruption, strength=case.strength, metrics=case.metrics) for case in cases]
