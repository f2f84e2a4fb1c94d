"""Published results of papers, validated: tables, notes and training logs of published.yml."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from papergan.errors import EvaluationError
from papergan.messages import sanitise

TABLE = "table_"
PublishedMetric = Literal["is", "fid", "psnr_y", "ssim_y"]


@dataclass(frozen=True)
class PublishedRow:
    """One number of one table. metric: how measured headers begin. dataset: the name our image sets would have.

    std, epoch, epochs: None if the paper gives none. note: what is contradictory about the number.
    paper: citation key. source: where the number really comes from, "" = the paper itself.
    experiments: our experiments that reproduce this row.
    """

    paper: str
    table: str
    dataset: str
    metric: PublishedMetric
    row: str
    value: float
    std: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    note: str = ""
    source: str = ""
    experiments: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """Note and source of the number, as one text."""
        return "; ".join(filter(None, [self.note, f"from {self.source}" if self.source else ""]))

    def is_of(self, dataset: str) -> bool:
        """Whether a run on this data set is an attempt at the number: on the paper's, a part or another size of it."""
        return dataset.split("/")[0] == self.dataset


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Row(_Strict):
    row: str = Field(min_length=1)
    value: float = Field(gt=0)
    std: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    note: str = ""
    source: str = ""
    experiments: tuple[str, ...] = ()


class _Number(_Strict):
    number: str = Field(min_length=1)
    place: str = Field(min_length=1)
    value: float
    error: float | None = Field(default=None, gt=0)
    runs: int | None = Field(default=None, ge=2)
    precision: float = Field(ge=0)
    measured_by: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    protocol: str = Field(min_length=1)
    differs: str = ""


class PublishedNumber(_Number):
    """One number with a public protocol, to be reproduced.

    paper: citation key. number: what it measures. place: where it is in the paper, "table 1".
    error: the standard error that the paper gives, of the mean over its `runs` or, if these are None, over test images;
    None if it gives none.
    precision: half a unit of the last printed digit, or the accuracy to which a closed form is measured.
    measured_by: an experiment, "tool/variant" or "tool/target/level". metric: in its score card or results;
    "best_likelihood.parzen_ll_historical": of the generator under which the validation images are likeliest.
    protocol: of the paper. differs: what we do differently.
    """

    paper: str


class _Table(_Strict):
    metric: PublishedMetric
    caption: str
    dataset: str | None = None
    rows: tuple[_Row, ...] = Field(min_length=1)


class PublishedLog(_Strict):
    """A training log printed in a paper: one row per epoch, the numbers of one step.

    experiments: ours that reproduce it. step, of: which step of an epoch, and how many an epoch has. columns: the names
    of the numbers in our reports, by the paper's names.
    """

    caption: str
    experiments: tuple[str, ...] = Field(min_length=1)
    step: int = Field(ge=1)
    of: int = Field(ge=1)
    columns: dict[str, str] = Field(min_length=1)
    rows: tuple[tuple[float, ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_row_is_whole(self) -> Self:
        for epoch, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"the row of epoch {epoch} has {len(row)} numbers for {len(self.columns)} columns")
        if self.step > self.of:
            raise ValueError(f"there is no step {self.step} in an epoch of {self.of}")
        return self


class _Paper(_Strict):
    dataset: str
    notes: tuple[str, ...] = ()
    tables: dict[str, _Table]
    training_log: PublishedLog | None = None
    numbers: tuple[_Number, ...] = ()

    @model_validator(mode="after")
    def _something_was_published(self) -> Self:
        if not self.tables and self.training_log is None and not self.numbers:
            raise ValueError(f"expected {TABLE}..., training_log or numbers, found none")
        return self


def published_rows(published: Mapping[str, object]) -> tuple[PublishedRow, ...]:
    """All rows of `{citation key: {dataset, notes, table_...: {metric, caption, rows}, training_log: {...}}}`.

    In the papers' order. Raises EvaluationError for unknown keys, missing values and duplicate rows in one table.
    """
    rows = []
    for name, paper in _papers(published).items():
        for key, table in paper.tables.items():
            _no_duplicates(f"{name}.{key}", [row.row for row in table.rows])
            title = f"Table {key.removeprefix(TABLE).upper().replace('_', ' ')}"
            for row in table.rows:
                rows.append(
                    PublishedRow(
                        paper=name, table=title, dataset=table.dataset or paper.dataset, metric=table.metric,
                        **row.model_dump(),
                    )
                )  # fmt: skip
    return tuple(rows)


def published_numbers(published: Mapping[str, object]) -> tuple[PublishedNumber, ...]:
    """All `numbers` of `{citation key: {dataset, numbers: [...]}}`, in the papers' order.

    Raises EvaluationError as `published_rows` does, and for duplicate numbers in one paper.
    """
    found = []
    for name, paper in _papers(published).items():
        _no_duplicates(f"{name}.numbers", [one.number for one in paper.numbers])
        found += [PublishedNumber(paper=name, **one.model_dump()) for one in paper.numbers]
    return tuple(found)


def published_log(published: Mapping[str, object], experiment: str) -> PublishedLog | None:
    """The published log that this experiment reproduces, or None. Raises EvaluationError as `published_rows` does."""
    logs = [paper.training_log for paper in _papers(published).values()]
    return next((log for log in logs if log is not None and experiment in log.experiments), None)


def experiments_named(published: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Place and name of every experiment that published.yml names. Raises EvaluationError as `published_rows` does."""
    for row in published_rows(published):
        yield from ((f"{row.paper}, {row.table}, row {row.row!r}", name) for name in row.experiments)
    for name, paper in _papers(published).items():
        if paper.training_log is not None:
            yield from ((f"{name}, training_log", one) for one in paper.training_log.experiments)


def published_notes(published: Mapping[str, object], cite: Callable[[str], str]) -> tuple[str, ...]:
    """Notes on whole papers, below the table: the citation by `cite`, then the caveats."""
    return tuple(line for name, paper in _papers(published).items() for line in (cite(name), *paper.notes))


def _papers(published: object) -> dict[str, _Paper]:
    if not isinstance(published, Mapping):
        raise EvaluationError(f"published numbers must be papers by citation key, got {sanitise(repr(published))}")
    return {str(name): _read(sanitise(name), content) for name, content in published.items()}


def _read(name: str, content: object) -> _Paper:
    if not isinstance(content, Mapping):
        got = sanitise(repr(content))
        raise EvaluationError(f"published numbers: {name} must be a mapping with dataset and {TABLE}..., got {got}")
    tables = {key: value for key, value in content.items() if str(key).startswith(TABLE)}
    rest = {key: value for key, value in content.items() if key not in tables}
    try:
        return _Paper.model_validate({**rest, "tables": tables})
    except ValidationError as error:
        first = error.errors()[0]
        message = sanitise(f"{'.'.join(map(str, (name, *first['loc'])))}: {first['msg']} (got {first['input']!r:.60})")
        raise EvaluationError(f"published numbers: {message}") from error


def _no_duplicates(where: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        names_twice = sanitise(", ".join(twice))
        raise EvaluationError(f"published numbers: {sanitise(where)} has rows of the same name: {names_twice}")
