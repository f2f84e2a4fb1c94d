"""A table in the forms people read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NewType

from kedro.io import AbstractDataset

from papergan.files import write_whole

HTMLPreview = NewType("HTMLPreview", str)  # Kedro-Viz goes by this name


@dataclass(frozen=True)
class Page:
    """One table, four times. console: narrow, for a terminal; it is printed, not saved."""

    markdown: str
    csv: str
    html: str
    console: str = ""


class PageDataset(AbstractDataset[Page, Page]):
    """<stem>.md, <stem>.csv and <stem>.html in one folder, the newest only."""

    def __init__(self, *, filepath: str, stem: str, metadata: dict[str, Any] | None = None) -> None:
        self.path, self.stem = Path(filepath), stem
        self.metadata = metadata

    def load(self) -> Page:
        texts = [self.file(kind).read_text(encoding="utf-8") for kind in ("md", "csv", "html")]
        return Page(*texts)

    def save(self, data: Page) -> None:
        for kind, text in (("md", data.markdown), ("csv", data.csv), ("html", data.html)):
            write_whole(self.file(kind), text.encode())

    def preview(self) -> HTMLPreview:
        """For Kedro-Viz."""
        return HTMLPreview(self.file("html").read_text(encoding="utf-8"))

    def file(self, kind: str) -> Path:
        """Where one form of it lies. kind: "md", "csv" or "html"."""
        return self.path / f"{self.stem}.{kind}"

    def _exists(self) -> bool:
        return all(self.file(kind).is_file() for kind in ("md", "csv", "html"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "stem": self.stem}
