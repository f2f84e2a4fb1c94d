"""Scores of real images as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import NewType

from kedro.io import DatasetError
from pydantic import TypeAdapter, ValidationError

from papergan.evaluation.real_rows import RealRow
from papergan.io.whole_file import WholeFileDataset

JSONPreview = NewType("JSONPreview", str)  # Kedro-Viz goes by this name
_ROWS = TypeAdapter(tuple[RealRow, ...])


class RealRowsDataset(WholeFileDataset[tuple[RealRow, ...]]):
    """RealRows as JSON. Raises DatasetError for anything else."""

    def _encode(self, data: tuple[RealRow, ...]) -> bytes:
        return _ROWS.dump_json(data, indent=1)

    def _decode(self, content: bytes, path: Path) -> tuple[RealRow, ...]:
        try:
            return _ROWS.validate_json(content)
        except ValidationError as error:
            raise DatasetError(f"{path} holds no scores of real images ({error.errors()[0]['msg']})") from error

    def preview(self) -> JSONPreview:
        """For Kedro-Viz."""
        return JSONPreview(self.path.read_text(encoding="utf-8"))
