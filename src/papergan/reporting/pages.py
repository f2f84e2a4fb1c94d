"""Pages of tables as Markdown, CSV and self-contained HTML."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Parts = Sequence[tuple[str, "pd.DataFrame"]]  # a heading, and the table under it

FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # how formulas begin in spreadsheets
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem; color: #1c2430; background: #fff; }
.wide { overflow-x: auto; border: 1px solid #d5dbe3; border-radius: 6px; }
img { max-width: 100%; }
table { border-collapse: collapse; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #e6eaf0; text-align: left; vertical-align: top; }
th { background: #f3f5f8; min-width: 4rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.flags { min-width: 18rem; color: #9a3412; } td.note { min-width: 22rem; color: #55606f; }
tr.unmeasured td { color: #7b8694; }
"""


def markdown_page(parts: Parts, title: str, notes: Sequence[str] = ()) -> str:
    """GitHub tables under their headings, and the notes as a list. Empty columns are left out."""
    lines = [f"# {title}", ""]
    for heading, part in parts:
        header, *rows = [[_markdown_cell(cell) for cell in line] for line in _texts(part)]
        lines += [f"## {heading}", "", *map(_markdown_line, (header, ["---"] * len(header), *rows)), ""]
    return "\n".join([*lines, *(f"- {_markdown_cell(note)}" for note in notes), ""])


def csv_page(table: pd.DataFrame) -> str:
    """The table as CSV that spreadsheets read as text and numbers, never as formulas.

    Text that begins like a formula and is not a number is prefixed with an apostrophe; numbers stay as they are.
    """
    import pandas as pd

    safe = table.rename(columns=_no_formula)
    for place, kind in enumerate(safe.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            safe.isetitem(place, [_no_formula(cell) for cell in safe.iloc[:, place]])
    return safe.to_csv(index=False)


def _no_formula(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", "\n")  # \n is quoted; \r would start a new row for some readers
    if not cell.lstrip(" ").startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def console_table(table: pd.DataFrame) -> str:
    """The table as text for a terminal, with every column."""
    from tabulate import tabulate

    cells = [[text(cell) for cell in line] for line in table.itertuples(index=False)]
    return tabulate(cells, list(table.columns), disable_numparse=True)


def html_page(parts: Parts, title: str, notes: Sequence[str] = (), picture: bytes = b"") -> str:
    """A self-contained HTML page, like `markdown_page`: no scripts, no external content, text escaped, papers linked.

    picture: a PNG, which becomes part of the page.
    """
    below = "".join(f"<li>{linked(note)}</li>" for note in notes)
    image = f'<img alt="{escape(title)}" src="{png_address(picture)}">' if picture else ""
    return document(title, f"{image}{html_tables(parts)}<ul>{below}</ul>")


def png_address(png: bytes) -> str:
    """A PNG as a data URL, for the `src` of an image."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def document(title: str, body: str, style: str = "") -> str:
    """An HTML document. body: HTML. style: CSS in addition to the common style."""
    css = " ".join((STYLE + style).split())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{css}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def html_tables(parts: Parts) -> str:
    """The tables under their headings, as HTML."""
    return "".join(_html_table(heading, part) for heading, part in parts)


def linked(note: str) -> str:
    """A note as escaped HTML; URLs of papers become links, other URLs stay text."""
    return re.sub(r"https://(doi\.org/10\.|arxiv\.org/abs/)[^\s&<>\"';]*\w", r'<a href="\g<0>">\g<0></a>', escape(note))


def _html_table(heading: str, part: pd.DataFrame) -> str:
    header, *rows = _texts(part)
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join(_html_row(header, row) for row in rows)
    return (
        f'{f"<h2>{escape(heading)}</h2>" if heading else ""}\n<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>\n"
    )


def _texts(table: pd.DataFrame) -> list[list[str]]:
    """Header and rows as text, without columns that are entirely empty."""
    kept = [name for name in table.columns if any(text(value) for value in table[name])]
    return [list(map(str, kept)), *([text(value) for value in line] for line in table[kept].itertuples(index=False))]


def text(value: object) -> str:
    """The text of a cell: "" for a missing value, about three significant digits for a measured one."""
    import pandas as pd

    if value is None or value is pd.NA or value != value:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def plus_minus(value: object, deviation: object) -> str:
    """A value as text, with its deviation or error if there is one: "12.3 ± 0.4"."""
    return f"{text(value)} ± {text(deviation)}" if text(deviation) else text(value)


def _markdown_cell(text: str) -> str:
    return " ".join(escape(text, quote=False).replace("|", "\\|").split())


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html_row(header: Sequence[str], row: Sequence[str]) -> str:
    measured = "experiment" not in header or row[header.index("experiment")]
    cells = []
    for name, text in zip(header, row, strict=True):
        kind = name if name in ("flags", "note") else "number" if _is_number(text) else "text"
        cells.append(f'<td class="{kind}">{escape(text)}</td>')
    return f"<tr{'' if measured else ' class=unmeasured'}>{''.join(cells)}</tr>"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()
