"""Scores of any images as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import NewType

from kedro.io import DatasetError
from pydantic import ValidationError

from papergan.evaluation.image_scores import ImageScores
from papergan.io.whole_file import WholeFileDataset

JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name


class ImageScoresDataset(WholeFileDataset[ImageScores]):
    """ImageScores as JSON. Raises DatasetError for anything else."""

    def _encode(self, data: ImageScores) -> bytes:
        return data.model_dump_json(indent=1).encode()

    def _decode(self, content: bytes, path: Path) -> ImageScores:
        try:
            return ImageScores.model_validate_json(content)
        except ValidationError as error:
            raise DatasetError(f"{path} holds no scores of images ({error.errors()[0]['msg']})") from error

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))
