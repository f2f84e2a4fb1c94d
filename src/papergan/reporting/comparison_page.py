"""The comparison as a sortable web page: one line per measured run with its samples and the published number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from papergan.reporting.column_headers import is_back, metric_of
from papergan.reporting.pages import document, html_tables, linked, plus_minus, png_address, text
from papergan.reporting.rendering import Protocols, is_derived, is_translation, parts_of

if TYPE_CHECKING:
    import pandas as pd

FIRST = {
    "samples": "the first images of the sample grid of the newest seed",
    "run": "experiment, what sets it apart from other runs of it, its data, and what to know before comparing it",
    "published": "what the paper reports for this row",
}
LAST = {
    "D accuracy": "discriminator's accuracy on unseen real and generated images, threshold 0 / midpoint of its scores",
    "epochs": "passes over the training images",
}
Columns = Mapping[str, tuple[str, str]]  # the metric, as named in headers of the table, and its meaning
FID = ("fid", "Fréchet distance of features, lower is better; x: as a multiple of the distance of held-out real images")
GENERATED: Columns = {
    "FID": FID,
    "IS": ("is", "Inception Score, higher is better, at most the number of classes for a classifier of the data set"),
    "precision": ("precision", "share of generated images that lie among real ones"),
    "recall": ("recall", "share of real images that lie among generated ones"),
    "coverage": ("coverage", "share of real images with a generated one near by"),
}
TRANSLATED: Columns = {
    "PSNR Y": (
        "psnr_y",
        "peak signal-to-noise ratio of the luminance of pairs, dB, higher is better",
    ),
    "SSIM Y": ("ssim_y", "structural similarity of the luminance of pairs, at most 1"),
    "LPIPS": ("lpips", "distance of pairs in the features of a network, weighted by what people see, lower is better"),
    "FID": FID,
    "target share": ("target_share", "share that a classifier of the whole data set takes for a class of the target"),
    "cycle error": ("cycle_error", "difference after there and back, in grey levels, lower is better"),
}
PAIRS = ("psnr_y", "ssim_y")  # depend on the test images alone, so published values are listed next to them
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
"""  # sorts a column by data-key, a second click reverses it; rows without a key stay below


def comparison_html(table: pd.DataFrame, title: str, notes: Sequence[str] = (), strips: Strips | None = None) -> str:
    """The page as HTML. table: see `comparison_table`. strips: the first samples of runs.

    Measured runs come first, followed by real images scored in place of samples; then translations with their own
    metrics, followed by baselines without a network; then what the columns mean; then, folded, published rows without a
    measurement and all other columns. One inline script sorts columns; nothing is loaded from elsewhere.
    """
    protocols = Protocols()
    runs = table[table["experiment"].notna()]
    real = table[table["experiment"].isna() & table["dataset"].notna()]
    translated, baselines = (part.apply(is_translation, axis=1).astype(bool) for part in (runs, real))
    generated, of_images = runs[~translated], real[~baselines]
    body = [_measured(generated, _beside(of_images, generated), GENERATED, protocols, strips or {})]
    if translated.any():
        there_are = {metric_of(name) for name in map(str, table.columns)}
        of_pairs = {name: column for name, column in TRANSLATED.items() if column[0] in there_are}
        below = [*_lines(real[baselines]), *_beside(of_images, runs[translated])]
        body.append("<h2>Translations</h2>\n")
        others = _elsewhere(table, len(of_pairs))
        body.append(_measured(runs[translated], below, of_pairs, protocols, strips or {}, others))
    shown = {**GENERATED, **(of_pairs if translated.any() else {})}
    meanings = FIRST | {name: why for name, (_, why) in shown.items()} | LAST
    body += [
        f"<h2>How to read it</h2>\n<ul>{''.join(f'<li>{escape(one)}</li>' for one in protocols.legend())}",
        *(f"<li><b>{escape(name)}</b>: {escape(meaning)}</li>" for name, meaning in meanings.items()),
        "</ul>\n",
        _unmeasured(table),
        f"<details><summary>Every column of every run</summary>\n{html_tables(parts_of(table))}</details>\n",
        f"<ul>{''.join(f'<li>{linked(note)}</li>' for note in notes)}</ul>\n<script>{SORT}</script>",
    ]
    return document(title, "".join(body), style=STYLE)


def _measured(
    runs: pd.DataFrame, below: Sequence[pd.Series], metrics: Columns, protocols: Protocols, strips: Strips,
    more: str = "",
) -> str:  # fmt: skip
    """A table of runs, followed by lines that stay below them in any sort order. more: rows of HTML."""
    columns = FIRST | {name: meaning for name, (_, meaning) in metrics.items()} | LAST
    names = [metric for metric, _ in metrics.values()]
    rows = "\n".join(_row(line, names, protocols, strips) for line in _lines(runs))
    last = "\n".join(_row(line, names, protocols, {}) for line in below)
    head = "".join(_head(name, meaning) for name, meaning in columns.items())
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows or '<tr><td>nothing was measured yet</td></tr>'}\n</tbody>\n"
        f"<tbody>\n{last}{more}\n</tbody></table></div>\n"
    )


def _elsewhere(table: pd.DataFrame, columns: int) -> str:
    """HTML rows of published PSNR and SSIM on other images, a row per method and set. columns: number of metrics."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line in _lines(table[table["experiment"].isna() & table["dataset"].isna()]):
        if (metric := text(line["metric"])).lower() in PAIRS:
            key = text(line["row"]), text(line["paper"]), text(line["table"]).rpartition(" ")[0]
            found.setdefault(key, []).append(f"{metric} {text(line['published'])}")
    empty = "<td></td>" * (columns + len(LAST))
    return "".join(
        f'\n<tr><td></td><td class="run">{escape(row)}<br><small>{escape(paper)}, {escape(where)}</small><br>'
        f'<small class="flags">published, of other images</small></td>'
        f'<td class="published">{"<br>".join(map(escape, values))}</td>{empty}</tr>'
        for (row, paper, where), values in found.items()
    )


def _lines(table: pd.DataFrame) -> list[pd.Series]:
    return [line for _, line in table.iterrows()]


def _beside(real: pd.DataFrame, runs: pd.DataFrame) -> list[pd.Series]:
    """The lines of real images that share a column of Frechet distances with one of these runs."""
    shared = [name for name in map(str, runs.columns) if metric_of(name) == "fid" and runs[name].notna().any()]
    return [line for line in _lines(real) if not shared or line[shared].notna().any()]


def _head(name: str, meaning: str) -> str:
    sorts = "" if name == "samples" else " data-sort"
    return f'<th title="{escape(meaning)}"{sorts}>{escape(name)}</th>'


def _row(line: pd.Series, metrics: Sequence[str], protocols: Protocols, strips: Strips) -> str:
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
        *(_score(line, metric, protocols) for metric in metrics),
        ("score", accuracy[0], " / ".join(filter(None, accuracy))),
        ("score", text(line["epochs"]), text(line["epochs"])),
    ]
    shown = [f'<td class="{kind}" data-key="{escape(key)}">{cell}</td>' for kind, key, cell in cells]
    return f"<tr>{''.join(shown)}</tr>"


def _score(line: pd.Series, metric: str, protocols: Protocols) -> tuple[str, str, str]:
    """All values of one metric, by any extractor and rules, one below the other; the first is the sort key."""
    values, first = [], ""
    for header in map(str, line.index):
        if metric_of(header) != metric or header.startswith("best ") or is_derived(header):
            continue
        if value := text(line[header]):
            first = first or value
            mark, ratio = protocols.mark(line, header)
            shown = plus_minus(value, line.get(f"{header} std"))
            details = [f"[{mark}]", f"{ratio} x" if ratio else "", "b to a" if is_back(header) else ""]
            values.append(f"{escape(shown)}<br><small>{' '.join(filter(None, details))}</small>")
    return "score", first, "<br>".join(values)


def _unmeasured(table: pd.DataFrame) -> str:
    """Published rows without a measurement, as a folded table."""
    rows = table[table["experiment"].isna() & table["dataset"].isna()]
    columns = ["paper", "table", "row", "metric", "published", "published std", "published epoch", "note"]
    if not len(rows):
        return ""
    return (
        f"<details><summary>{len(rows)} published numbers without a measurement here</summary>\n"
        f"{html_tables([('', rows[columns])])}</details>\n"
    )
