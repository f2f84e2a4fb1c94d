"""Pages: one table as Markdown, CSV and HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType

from kedro.io import AbstractDataset

from papergan.atomic_files import DOCUMENT_BYTES, write_whole
from papergan.datasets.atomic_file import is_whole, read_bytes, read_text
from papergan.errors import EvaluationError
from papergan.reporting.pages import Parts, csv_page, html_page, markdown_page

if TYPE_CHECKING:
    import pandas as pd

LITERAL = str.maketrans({"_": "&#95;", "*": "&#42;"})
HTMLPreview = NewType("HTMLPreview", str)  # Kedro-Viz goes by this name


@dataclass(frozen=True)
class Page:
    """A table in four forms. console: narrow, for a terminal; it is printed, not saved."""

    markdown: str
    csv: str
    html: str
    console: str = ""

    @classmethod
    def of(
        cls, parts: Parts, title: str, notes: Sequence[str], table: pd.DataFrame, *, console: str = "",
        picture: bytes = b"",
    ) -> Page:  # fmt: skip
        """A page of tables under their headings, and notes. table: for the CSV. picture: a PNG in the HTML."""
        html = html_page(parts, title, notes, picture)
        return cls(markdown_page(parts, title, notes), csv_page(table), html, console)


class PageDataset(AbstractDataset[Page, Page]):
    """<stem>.md, <stem>.csv and <stem>.html in one folder, the newest only. Raises EvaluationError for no text."""

    def __init__(self, *, filepath: str, stem: str, metadata: dict[str, Any] | None = None) -> None:
        self.path, self.stem = Path(filepath), stem
        self.metadata = metadata

    def load(self) -> Page:
        return Page(*(self._read(kind) for kind in ("md", "csv", "html")))

    def _read(self, kind: str) -> str:
        path = self.file(kind)
        try:
            return read_bytes(path, DOCUMENT_BYTES).decode()
        except UnicodeDecodeError as error:
            raise EvaluationError(f"{path} is damaged ({error.reason}); make the page again") from error

    def save(self, data: Page) -> None:
        for kind, text in (("md", data.markdown), ("csv", data.csv), ("html", data.html)):
            write_whole(self.file(kind), text.encode())

    def preview(self) -> HTMLPreview:
        """The page for Kedro-Viz, which treats line breaks, underscores and stars as Markdown, and runs no scripts."""
        body = re.sub(r"<script>.*?</script>", "", read_text(self.file("html")), flags=re.DOTALL)
        body = re.sub(r"\s*\n\s*", " ", body)
        return HTMLPreview(re.sub(r">[^<]+<", lambda found: found[0].translate(LITERAL), body))

    def file(self, kind: str) -> Path:
        """The path of one form. kind: "md", "csv" or "html"."""
        return self.path / f"{self.stem}.{kind}"

    def _exists(self) -> bool:
        there = all(self.file(kind).is_file() for kind in ("md", "csv", "html"))
        return there and all(is_whole(self.file(kind), partial(self._read, kind)) for kind in ("md", "csv", "html"))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path), "stem": self.stem}
