"""The comparison table as Markdown and console text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from papergan.reporting.column_headers import GENERATED, OF_TRANSLATIONS_ALONE, TRANSLATED, is_headline, metric_of
from papergan.reporting.comparison_table import (
    BEST_EPOCHS,
    MEASURED_COLUMNS,
    PUBLISHED_COLUMNS,
    REMARK_COLUMNS,
    RUN_COLUMNS,
)
from papergan.reporting.pages import markdown_page, plus_minus, text

if TYPE_CHECKING:
    import pandas as pd

RUN_ONLY_COLUMNS = [name for name in RUN_COLUMNS if name not in (*BEST_EPOCHS, "epochs", "images_seen")]
DERIVED_SUFFIXES = (" std", " ratio", " rank")
FLOOR = " floor@"
RESULT_METRICS = ("discriminator_accuracy_zero", "discriminator_accuracy_midpoint", "discriminator_gap")
CONSOLE_COLUMNS = [
    "table", "row", "published", "experiment", "data set", "measured", "value", "rank", "x floor", "best@epoch",
    "D accuracy", "",
]  # fmt: skip
NAME_COLUMNS = ("row", "experiment", "data set")
MIN_NAME_WIDTH = 5


def to_markdown(table: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> str:
    """The comparison as Markdown tables: results, translations, further metrics, runs."""
    return markdown_page(parts_of(table), title, notes)


def is_translation(line: pd.Series) -> bool:
    """Whether a line of the table has scores that only translations have."""
    return any(metric_of(name) in OF_TRANSLATIONS_ALONE and bool(text(line[name])) for name in map(str, line.index))


def parts_of(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Headings and tables: published and measured results; translations, if any; further metrics; runs."""
    fixed = {*PUBLISHED_COLUMNS, *MEASURED_COLUMNS, *RUN_COLUMNS, *REMARK_COLUMNS}
    measured = [name for name in table.columns if name not in fixed]
    headlines = (*GENERATED, *TRANSLATED)
    beyond = [name for name in measured if not (is_headline(name, headlines) or name in RESULT_METRICS)]
    beside = {"note": "published epoch", "flags": "status"}  # next to the columns that they comment on

    def columns(metrics: Sequence[str]) -> list[str]:
        left = [name for name in measured if is_headline(name, headlines) and not is_headline(name, metrics)]
        chosen = [name for name in table.columns if name not in {*RUN_ONLY_COLUMNS, *beyond, *left, *beside}]
        for name, after in beside.items():
            chosen.insert(chosen.index(after) + 1, name)
        return chosen

    translated = table.apply(is_translation, axis=1).astype(bool)
    names = table[["experiment", "variant", "dataset", "status"]]
    names = names.assign(real=table["row"].where(table["experiment"].isna()))  # runs repeat below each published row
    everything = table[table["dataset"].notna() & ~names.duplicated()]
    runs = everything[everything["experiment"].notna()]
    parts = [("Results", table.loc[~translated, columns(GENERATED)])]
    if translated.any():
        parts.append(("Translations", table.loc[translated, columns(TRANSLATED)]))
    if len(everything):
        parts.append(("Beyond FID and IS", _by_metric(everything, beyond)))
    return [*parts, ("Runs", runs[[*MEASURED_COLUMNS, *RUN_COLUMNS]])] if len(runs) else parts


def _by_metric(runs: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """One row per metric, one column per run, "value ± deviation, rank": there are more metrics than runs."""
    import pandas as pd

    metrics = [name for name in columns if not is_derived(name) and runs[name].notna().any()]
    cells: dict[str, list[str]] = {"metric": metrics}
    for _, run in runs.iterrows():
        values = []
        for name in metrics:
            value, rank = plus_minus(run[name], run.get(f"{name} std")), text(run.get(f"{name} rank"))
            values.append(f"{value}, rank {rank}" if rank else value)
        name = ", ".join(filter(None, [text(run["experiment"]) or text(run["row"]), text(run["variant"])]))
        cells[f"{name} ({text(run['dataset'])})"] = values
    return pd.DataFrame(cells)


def to_console(table: pd.DataFrame, width: int = 140) -> str:
    """Measured scores as console text, one line each, next to the published number; then those of real images.

    Numbers are never truncated: protocols (a, b, ...) and flags (1, 2, ...) are spelled out below, and names are
    shortened if a line would be longer than `width`. x floor: the distance as a multiple of the distance of held-out
    images, both computed from as many images as the protocol below gives.
    """
    protocols = Protocols()
    flags: list[str] = []
    lines: list[list[str]] = []
    runs, real = table[table["experiment"].notna()], table[table["experiment"].isna() & table["dataset"].notna()]
    for _, row in runs.iterrows():
        lines += [[*cells, _mark(text(row["flags"]), flags)] for cells in _console_cells(row, protocols)]
    if not lines:
        return "nothing was measured yet"
    lines += [[*cells, ""] for _, row in real.iterrows() for cells in _console_cells(row, protocols)]
    by_column = zip(CONSOLE_COLUMNS, zip(*lines, strict=True), strict=True)
    columns = [[name, *cells] for name, cells in by_column if any(cells)]
    columns = _narrowed(columns, width)
    grid = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    rule = "  ".join("-" * len(column[0]) for column in columns)
    legend = protocols.legend()
    legend += [f"[{number}] {text}" for number, text in enumerate(flags, 1)]
    return "\n".join([grid[0], rule, *grid[1:], *legend])


def _console_cells(row: pd.Series, protocols: Protocols) -> list[list[str]]:
    """A list per score of the published kind (the headlines if nothing is published); one list if there is no score."""
    kind = text(row["metric"]).lower()
    published = plus_minus(f"{kind.upper()} {text(row['published'])}".strip(), row["published std"])
    left = [text(row["table"]).removeprefix("Table "), text(row["row"]), published]
    left += [", ".join(filter(None, [text(row["experiment"]), text(row["variant"])])), text(row["dataset"])]
    accuracy = "/".join(filter(None, (text(row[name]) for name in RESULT_METRICS[:2])))
    headlines = (kind,) if kind else TRANSLATED if is_translation(row) else GENERATED
    cells = []
    for name in map(str, row.index):
        short = name.split("@")[0]
        is_fid = short.endswith("fid")
        derived = name.startswith("best ") or is_derived(name)
        if not is_headline(name, headlines) or derived or not text(row[name]):
            continue
        value = plus_minus(row[name], row.get(f"{name} std"))
        (letter, ratio), best = protocols.mark(row, name), text(row.get(f"best {name}"))
        epoch = text(row["best_fid_epoch" if is_fid else "best_is_epoch"]).removesuffix(".00")
        measured = f"{short}[{letter}]"
        at = f"{best}@{epoch}" if best and epoch else best
        cells.append([*left, measured, value, text(row.get(f"{name} rank")), ratio, at, accuracy])
    return cells or [[*left, text(row["status"]).split(":")[0], "", "", "", "", accuracy]]


class Protocols:
    """The rules behind numbers, lettered a, b, ... in order of appearance."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def mark(self, row: pd.Series, column: str) -> tuple[str, str]:
        """The letter of this column's rules, and the row's distance as a multiple of the floor, "" if unknown."""
        ratio, count = _above_floor(row, column)
        if count:
            protocol = f"{column}; x floor: both of {count} images"
        else:  # an earlier row may have listed it with its floor
            protocol = next((one for one in self._known if one.split("; ")[0] == column), column)
        if protocol not in self._known:
            self._known.append(protocol)
        return _letter(self._known.index(protocol)), ratio

    def legend(self) -> list[str]:
        """A line per protocol."""
        return [f"[{_letter(index)}] {one}" for index, one in enumerate(self._known)]


def is_derived(name: str) -> bool:
    """Whether a column is a deviation, rank, floor or ratio of another."""
    return name.endswith(DERIVED_SUFFIXES) or FLOOR in name


def _above_floor(row: pd.Series, name: str) -> tuple[str, str]:
    """The ratio of this run in this column, and how many images are on both sides; "" if it has none."""
    beginning = f"{name.split(' [')[0]}{FLOOR}"
    for column in map(str, row.index):
        if column.startswith(beginning) and column.endswith(" ratio") and text(row[column]):
            return text(row[column]), column.removeprefix(beginning).split(" ")[0]
    return "", ""


def _mark(text: str, marks: list[str]) -> str:
    """`[n]` for the n-th distinct text; "" for an empty one."""
    if text and text not in marks:
        marks.append(text)
    return f"[{marks.index(text) + 1}]" if text else ""


def _letter(index: int) -> str:
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def _narrowed(columns: list[list[str]], width: int) -> list[list[str]]:
    """Columns padded to equal cells; while the line is too long, the widest name column is shortened, with "…"."""
    widths = [max(map(len, column)) for column in columns]
    names = [index for index, column in enumerate(columns) if column[0] in NAME_COLUMNS]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths[index] for index in names) > MIN_NAME_WIDTH:
        widths[max(names, key=lambda index: widths[index])] -= 1
    return [
        [(cell if len(cell) <= size else f"{cell[: size - 1]}…").ljust(size) for cell in column]
        for column, size in zip(columns, widths, strict=True)
    ]
