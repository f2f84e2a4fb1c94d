"""The comparison as a web page: one line per measured run with its samples, beside the published number; sortable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from papergan.reporting.pages import document, html_tables, linked, plus_minus, png_address, text
from papergan.reporting.rendering import Protocols, is_derived, parts_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "samples": "the first images of the sample grid, with seed 0",
    "run": "experiment, what sets it apart from other runs of it, its data, and what to know before comparing it",
    "published": "what the paper reports for this row",
    "FID": "Fréchet distance of features, lower is better; x: as a multiple of the distance of held-out real images",
    "IS": "Inception Score, higher is better, at most the number of classes for a classifier of the data set",
    "precision": "share of generated images that lie among real ones",
    "recall": "share of real images that lie among generated ones",
    "coverage": "share of real images with a generated one near by",
    "D accuracy": "discriminator's accuracy on unseen real and generated images, threshold 0 / midpoint of its scores",
    "epochs": "passes over the training images",
}
METRICS = {"FID": "fid", "IS": "is", "precision": "precision", "recall": "recall", "coverage": "coverage"}
Strips = Mapping[tuple[str, str, str], bytes]  # PNGs by (experiment, variant, data set)
STYLE = """
td.samples img { width: 13rem; max-width: none; display: block; border-radius: 4px; }
th[data-sort] { cursor: pointer; white-space: nowrap; } th[data-sort]::after { content: " \\2195"; color: #9aa4b2; }
td.score, td.published { white-space: nowrap; font-variant-numeric: tabular-nums; }
body { margin: 1rem; } th, td { padding: .35rem .45rem; }
td.run { min-width: 16rem; } td.published { max-width: 9rem; white-space: normal; }
small.flags { color: #9a3412; }
small { color: #55606f; } summary { cursor: pointer; font-weight: 600; margin: 1rem 0 .5rem; }
"""
SORT = """
document.querySelectorAll("th[data-sort]").forEach((th) => th.addEventListener("click", () => {
  const body = th.closest("table").tBodies[0], place = th.cellIndex, turn = th.dataset.turn === "1" ? -1 : 1;
  th.dataset.turn = String(turn);
  const key = (row) => row.cells[place].dataset.key || "";
  const order = (a, b) => a === "" ? 1 : b === "" ? -1 :
    turn * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : Number(a) - Number(b));
  [...body.rows].sort((a, b) => order(key(a), key(b))).forEach((row) => body.append(row));
}));
"""  # a column's order, by data-key, turned round by a second click; what has no key stays below


def comparison_html(table: pd.DataFrame, title: str, notes: Sequence[str] = (), strips: Strips | None = None) -> str:
    """The page. table: see `comparison_table`. strips: the first samples of runs.

    Measured runs come first, then real images in the place of samples, what the columns mean, published rows without a
    measurement, and all other columns, folded. One inline script sorts columns; nothing is loaded from elsewhere.
    """
    protocols = Protocols()
    runs = table[table["experiment"].notna()]
    real = table[table["experiment"].isna() & table["dataset"].notna()]
    rows = "\n".join(_row(line, protocols, strips or {}) for _, line in runs.iterrows())
    below = "\n".join(_row(line, protocols, {}) for _, line in real.iterrows())
    body = [
        f'<div class="wide"><table><thead><tr>{"".join(map(_head, COLUMNS))}</tr></thead>\n'
        f"<tbody>\n{rows or '<tr><td>nothing was measured yet</td></tr>'}\n</tbody>\n"
        f"<tbody>\n{below}\n</tbody></table></div>\n",
        f"<h2>How to read it</h2>\n<ul>{''.join(f'<li>{escape(one)}</li>' for one in protocols.legend())}",
        *(f"<li><b>{escape(name)}</b>: {escape(meaning)}</li>" for name, meaning in COLUMNS.items()),
        "</ul>\n",
        _unmeasured(table),
        f"<details><summary>Every column of every run</summary>\n{html_tables(parts_of(table))}</details>\n",
        f"<ul>{''.join(f'<li>{linked(note)}</li>' for note in notes)}</ul>\n<script>{SORT}</script>",
    ]
    return document(title, "".join(body), style=STYLE)


def _head(name: str) -> str:
    sorts = "" if name == "samples" else " data-sort"
    return f'<th title="{escape(COLUMNS[name])}"{sorts}>{escape(name)}</th>'


def _row(line: pd.Series, protocols: Protocols, strips: Strips) -> str:
    name, variant, dataset = (text(line[column]) for column in ("experiment", "variant", "dataset"))
    strip = strips.get((name, variant, dataset))
    image = "" if strip is None else f'<img alt="samples of {escape(name)}" src="{png_address(strip)}">'
    about = [escape(name or text(line["row"])), *(f"<small>{escape(one)}</small>" for one in (variant, dataset) if one)]
    if flags := text(line["flags"]):
        about.append(f'<small class="flags">{escape(flags)}</small>')
    kind = text(line["metric"])
    published = plus_minus(f"{kind} {text(line['published'])}".strip(), line["published std"])
    where = ", ".join(filter(None, (text(line[column]) for column in ("paper", "table", "row")))) if name else ""
    accuracy = [text(line[f"discriminator_accuracy_{which}"]) for which in ("zero", "midpoint")]
    cells = [
        ("samples", "", image),
        ("run", name, "<br>".join(about)),
        ("published", text(line["published"]), f"{escape(published)}<br><small>{escape(where)}</small>"),
        *(_score(line, metric, protocols) for metric in METRICS.values()),
        ("score", accuracy[0], " / ".join(filter(None, accuracy))),
        ("score", text(line["epochs"]), text(line["epochs"])),
    ]
    shown = [f'<td class="{kind}" data-key="{escape(key)}">{cell}</td>' for kind, key, cell in cells]
    return f"<tr>{''.join(shown)}</tr>"


def _score(line: pd.Series, metric: str, protocols: Protocols) -> tuple[str, str, str]:
    """Every value of one metric, by whichever extractor and rules, one below the other; sorted by the first."""
    values, first = [], ""
    for header in map(str, line.index):
        short = header.split("@")[0]
        extractor = short.removesuffix(metric).rstrip("_")
        if not (short == metric or short.endswith(f"_{metric}")) or extractor in ("log", "modified"):
            continue
        if header.startswith("best ") or is_derived(header) or extractor.endswith(("_log", "_modified")):
            continue
        if value := text(line[header]):
            first = first or value
            mark, ratio = protocols.mark(line, header)
            shown = plus_minus(value, line.get(f"{header} std"))
            values.append(f"{escape(shown)}<br><small>[{mark}]{f' {ratio} x' if ratio else ''}</small>")
    return "score", first, "<br>".join(values)


def _unmeasured(table: pd.DataFrame) -> str:
    """Published rows that nothing was measured for, as a folded table."""
    rows = table[table["experiment"].isna() & table["dataset"].isna()]
    columns = ["paper", "table", "row", "metric", "published", "published std", "published epoch", "note"]
    if not len(rows):
        return ""
    return (
        f"<details><summary>{len(rows)} published numbers without a measurement here</summary>\n"
        f"{html_tables([('', rows[columns])])}</details>\n"
    )
