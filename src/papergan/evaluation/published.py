"""What the papers report, read strictly: a misspelt key must not silently lose a number or a caveat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from papergan.errors import EvaluationError
from papergan.words import one_line

TABLE = "table_"


@dataclass(frozen=True)
class PublishedRow:
    """One number of one table. metric: "is" or "fid". dataset: the name our image sets would carry, e.g. "cifar10".

    std, epoch, epochs: None where the paper gives none. note: what is contradictory about the number.
    experiments: our experiments that stand for this row.
    """

    document: str
    table: str
    dataset: str
    metric: Literal["is", "fid"]
    row: str
    value: float
    std: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    note: str = ""
    experiments: tuple[str, ...] = ()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Row(_Strict):
    row: str = Field(min_length=1)
    value: float = Field(gt=0)
    std: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    note: str = ""
    experiments: tuple[str, ...] = ()


class _Table(_Strict):
    metric: Literal["is", "fid"]
    caption: str
    rows: tuple[_Row, ...] = Field(min_length=1)


class _Document(_Strict):
    paper: str
    dataset: str
    notes: tuple[str, ...] = ()
    tables: dict[str, _Table] = Field(min_length=1)


def published_rows(published: Mapping[str, object]) -> tuple[PublishedRow, ...]:
    """All rows of `{document: {paper, dataset, notes, table_...: {metric, caption, rows}}}`, in the papers' order.

    Raises EvaluationError for unknown keys, missing values and rows that appear twice in one table.
    """
    rows = []
    for name, document in _documents(published).items():
        for key, table in document.tables.items():
            _no_duplicates(f"{name}.{key}", [row.row for row in table.rows])
            title = f"Table {key.removeprefix(TABLE).upper()}"
            for row in table.rows:
                rows.append(
                    PublishedRow(
                        document=name, table=title, dataset=document.dataset, metric=table.metric, row=row.row,
                        value=row.value, std=row.std, epoch=row.epoch, epochs=row.epochs, note=row.note,
                        experiments=row.experiments,
                    )
                )  # fmt: skip
    return tuple(rows)


def published_notes(published: Mapping[str, object]) -> tuple[str, ...]:
    """What is to be said about whole documents, below the table: the paper, then its caveats."""
    return tuple(line for document in _documents(published).values() for line in (document.paper, *document.notes))


def _documents(published: object) -> dict[str, _Document]:
    if not isinstance(published, Mapping):
        raise EvaluationError(f"published numbers must be documents by name, got {one_line(repr(published))}")
    return {str(name): _read(one_line(name), content) for name, content in published.items()}


def _read(name: str, content: object) -> _Document:
    if not isinstance(content, Mapping):
        got = one_line(repr(content))
        raise EvaluationError(
            f"published numbers: {name} must be a mapping with paper, dataset and {TABLE}..., got {got}"
        )
    tables = {key: value for key, value in content.items() if str(key).startswith(TABLE)}
    rest = {key: value for key, value in content.items() if key not in tables}
    try:
        return _Document.model_validate({**rest, "tables": tables})
    except ValidationError as error:
        first = error.errors()[0]
        fault = one_line(f"{'.'.join(map(str, (name, *first['loc'])))}: {first['msg']} (got {first['input']!r:.60})")
        raise EvaluationError(f"published numbers: {fault}") from error


def _no_duplicates(where: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        names_twice = one_line(", ".join(twice))
        raise EvaluationError(f"published numbers: {one_line(where)} has rows of the same name: {names_twice}")
