"""Scores of any images as JSON."""

from __future__ import annotations

from typing import Any

from papergan.datasets.digested_json import DigestedJSONDataset
from papergan.evaluation.image_scores import ImageScores


class ImageScoresDataset(DigestedJSONDataset[ImageScores]):
    """ImageScores as JSON. Raises EvaluationError for anything else."""

    what, remedy = "scores of images", "evaluate them again"

    def _to_document(self, data: ImageScores) -> dict[str, Any]:
        return data.model_dump(mode="json")

    def _from_document(self, document: dict[str, Any]) -> ImageScores:
        return ImageScores.model_validate(document)
