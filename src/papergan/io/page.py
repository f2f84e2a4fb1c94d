"""The comparison table in the forms people read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NewType

from kedro.io import AbstractDataset

from papergan.files import write_whole

HTMLPreview = NewType("HTMLPreview", str)  # Kedro-Viz goes by this name


@dataclass(frozen=True)
class Comparison:
    """One table, four times. console: narrow, for a terminal; it is printed, not saved."""

    markdown: str
    csv: str
    html: str
    console: str = ""


class ComparisonDataset(AbstractDataset[Comparison, Comparison]):
    """comparison.md, comparison.csv and comparison.html in one folder, the newest only."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Comparison:
        texts = [self._file(kind).read_text(encoding="utf-8") for kind in ("md", "csv", "html")]
        return Comparison(*texts)

    def save(self, data: Comparison) -> None:
        for kind, text in (("md", data.markdown), ("csv", data.csv), ("html", data.html)):
            write_whole(self._file(kind), text.encode())

    def preview(self) -> HTMLPreview:
        """For Kedro-Viz."""
        return HTMLPreview(self._file("html").read_text(encoding="utf-8"))

    def _file(self, kind: str) -> Path:
        return self.path / f"comparison.{kind}"

    def _exists(self) -> bool:
        return all(self._file(kind).is_file() for kind in ("md", "csv", "html"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}
