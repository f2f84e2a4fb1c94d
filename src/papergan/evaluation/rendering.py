"""The comparison table for people: Markdown, one self-contained HTML page, and a console."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from papergan.evaluation.table import ACCOUNT, MEASURED

if TYPE_CHECKING:
    import pandas as pd

ACCOUNT_ONLY = [name for name in ACCOUNT if name not in ("best_fid_epoch", "best_is_epoch", "epochs", "images_seen")]
DERIVED = (" std", " floor", " ratio")
CONSOLE = [
    "table", "row", "published", "experiment", "data set", "measured", "value", "x floor", "best@epoch",
    "D accuracy", "",
]  # fmt: skip
NAMES = ("row", "experiment", "data set")
SHORTEST_NAME = 5
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem; color: #1c2430; background: #fff; }
.wide { overflow-x: auto; border: 1px solid #d5dbe3; border-radius: 6px; }
table { border-collapse: collapse; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #e6eaf0; text-align: left; vertical-align: top; }
th { background: #f3f5f8; min-width: 4rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.flags { min-width: 18rem; color: #9a3412; } td.note { min-width: 22rem; color: #55606f; }
tr.unmeasured td { color: #7b8694; }
"""


def to_markdown(table: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> str:
    """Two GitHub tables, results and the runs behind them, and the notes as a list. Empty columns are left out."""
    lines = [f"# {title}", ""]
    for heading, part in _parts(table):
        header, *rows = [[_markdown_cell(cell) for cell in line] for line in _texts(part)]
        lines += [f"## {heading}", "", *map(_markdown_line, (header, ["---"] * len(header), *rows)), ""]
    return "\n".join([*lines, *(f"- {_markdown_cell(note)}" for note in notes), ""])


def to_html(table: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> str:
    """A page of its own, as `to_markdown`: no scripts, nothing loaded from anywhere, every text escaped."""
    parts = "".join(_html_table(heading, part) for heading, part in _parts(table))
    below = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{parts}<ul>{below}</ul></body></html>\n"
    )


def _parts(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """What was published and measured, then how each measured run came about, once per run."""
    runs = table[table["experiment"].notna()][[*MEASURED, *ACCOUNT]].drop_duplicates(["experiment", "dataset"])
    beside = {"note": "published epoch", "flags": "status"}  # where they are read with what they are about
    columns = [name for name in table.columns if name not in {"document", *ACCOUNT_ONLY, *beside}]
    for name, left in beside.items():
        columns.insert(columns.index(left) + 1, name)
    parts = [("Results", table[columns])]
    return [*parts, ("Runs", runs)] if len(runs) else parts


def _html_table(heading: str, part: pd.DataFrame) -> str:
    header, *rows = _texts(part)
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join(_html_row(header, row) for row in rows)
    return (
        f'<h2>{escape(heading)}</h2>\n<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>\n"
    )


def to_console(table: pd.DataFrame, width: int = 140) -> str:
    """Only what was measured, one line per score, beside the published number.

    Numbers are never cut: protocols (a, b, ...) and flags (1, 2, ...) stand in full below, and where a line would be
    longer than `width`, names give way. x floor: the distance as a multiple of that of real test images.
    """
    protocols: list[str] = []
    flags: list[str] = []
    lines: list[list[str]] = []
    for _, row in table[table["experiment"].notna()].iterrows():
        lines += [[*cells, _mark(_text(row["flags"]), flags)] for cells in _console_cells(row, protocols)]
    if not lines:
        return "nothing was measured yet"
    columns = [[name, *cells] for name, cells in zip(CONSOLE, zip(*lines, strict=True), strict=True) if any(cells)]
    columns = _narrowed(columns, width)
    grid = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    rule = "  ".join("-" * len(column[0]) for column in columns)
    legend = [f"[{_letter(index)}] {text}" for index, text in enumerate(protocols)]
    legend += [f"[{number}] {text}" for number, text in enumerate(flags, 1)]
    return "\n".join([grid[0], rule, *grid[1:], *legend])


def _console_cells(row: pd.Series, protocols: list[str]) -> list[list[str]]:
    """One list per score of the published kind (both kinds where nothing is published); one where there is no score."""
    kind = _text(row["metric"]).lower()
    published = _with_deviation(f"{kind.upper()} {_text(row['published'])}".strip(), _text(row["published std"]))
    left = [_text(row["table"]).removeprefix("Table "), _text(row["row"]), published]
    left += [_text(row["experiment"]), _text(row["dataset"])]
    accuracy = "/".join(filter(None, (_text(row[f"discriminator_accuracy_{at}"]) for at in ("zero", "midpoint"))))
    cells = []
    for name in map(str, row.index):
        short = name.split("@")[0]
        is_fid = short.endswith("fid")
        derived = name.startswith("best ") or name.endswith(DERIVED)
        if "@" not in name or derived or not _text(row[name]) or (kind and is_fid != (kind == "fid")):
            continue
        value = _with_deviation(_text(row[name]), _text(row.get(f"{name} std")))
        ratio, best = _text(row.get(f"{name} ratio")), _text(row.get(f"best {name}"))
        epoch = _text(row["best_fid_epoch" if is_fid else "best_is_epoch"]).removesuffix(".00")
        if name not in protocols:
            protocols.append(name)
        measured = f"{short}[{_letter(protocols.index(name))}]"
        cells.append([*left, measured, value, ratio, f"{best}@{epoch}" if best else "", accuracy])
    return cells or [[*left, _text(row["status"]).split(":")[0], "", "", "", accuracy]]


def _with_deviation(value: str, deviation: str) -> str:
    return f"{value} ± {deviation}" if deviation else value


def _mark(text: str, seen: list[str]) -> str:
    """`[n]` for the n-th distinct text, nothing for none."""
    if text and text not in seen:
        seen.append(text)
    return f"[{seen.index(text) + 1}]" if text else ""


def _letter(index: int) -> str:
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def _narrowed(columns: list[list[str]], width: int) -> list[list[str]]:
    """Columns padded to equal cells; while the line is too long, the widest column of names gives way, with "…"."""
    widths = [max(map(len, column)) for column in columns]
    names = [index for index, column in enumerate(columns) if column[0] in NAMES]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths[index] for index in names) > SHORTEST_NAME:
        widths[max(names, key=lambda index: widths[index])] -= 1
    return [
        [(cell if len(cell) <= size else f"{cell[: size - 1]}…").ljust(size) for cell in column]
        for column, size in zip(columns, widths, strict=True)
    ]


def _texts(table: pd.DataFrame) -> list[list[str]]:
    """Header and rows as text, without the columns that are empty throughout."""
    kept = [name for name in table.columns if any(_text(value) for value in table[name])]
    return [list(map(str, kept)), *([_text(value) for value in line] for line in table[kept].itertuples(index=False))]


def _text(value: object) -> str:
    """What stands in a cell: nothing for a missing value, about three significant places for a measured one."""
    import pandas as pd

    if value is None or value is pd.NA or value != value:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _markdown_cell(text: str) -> str:
    return " ".join(escape(text, quote=False).replace("|", "\\|").split())


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html_row(header: Sequence[str], row: Sequence[str]) -> str:
    measured = "experiment" in header and row[header.index("experiment")]
    cells = []
    for name, text in zip(header, row, strict=True):
        kind = name if name in ("flags", "note") else "number" if _is_number(text) else "text"
        cells.append(f'<td class="{kind}">{escape(text)}</td>')
    return f"<tr{'' if measured else ' class=unmeasured'}>{''.join(cells)}</tr>"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()
