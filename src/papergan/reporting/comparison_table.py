"""The comparison table: published numbers next to measured ones, with the rules of measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from papergan.evaluation.protocol import Protocol
from papergan.evaluation.scorecard import BEST_METRICS, RealRow, ScoreCard
from papergan.metrics.registry import DISCRIMINATOR_METRICS, FLOOR, METRICS
from papergan.reporting.column_headers import Headers, column_headers, metric_order
from papergan.reporting.published_results import PublishedRow
from papergan.reporting.seed_groups import Measured, SeedGroup, ranks, seed_groups, variants_of

if TYPE_CHECKING:
    import pandas as pd

Cell = str | float | int | None
Cells = dict[str, Cell]

PUBLISHED_COLUMNS = ["paper", "table", "row", "metric", "published", "published std", "published epoch"]
MEASURED_COLUMNS = ["experiment", "variant", "dataset", "status", "seeds"]
BEST_EPOCHS = tuple(f"best_{which}_epoch" for which in BEST_METRICS)
RUN_COLUMNS = [
    *BEST_EPOCHS, "num_samples", "extractors", "protocol", "epochs", "steps", "images_seen",
    "hardware", "training_seconds", "commit", "versions", "recipe", "data",
]  # fmt: skip
REMARK_COLUMNS = ["flags", "note"]
TEXT_COLUMNS = {
    "paper", "table", "row", "metric", *MEASURED_COLUMNS, "num_samples", "extractors", "protocol", "hardware", "commit",
    "versions", "recipe", "data", *REMARK_COLUMNS,
}  # fmt: skip
INTEGER_COLUMNS = {"published epoch", "steps", "images_seen"}
UNPUBLISHED = "(no published row)"
OTHER_DATA = "(on other data than published)"
REAL_IMAGES = "real images"


def comparison_table(
    published: Sequence[PublishedRow], scores: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:  # Any: stored documents, validated here
    """One line per published row and measured variant of it; rows without a measurement have empty cells.

    scores: stored score cards by any name, the oldest first. Cards that differ only in their seed make one line, with
    means and deviations. A card belongs to the rows whose `experiments` name its experiment and whose data set it was
    trained on, or gets a line of its own if there are none. Real images, scored in place of samples by the same rules,
    come last. Every measured column has its protocol in its header, for example `fid@10000v50000-train-inception`. If
    two protocols share that label, the differing rules are added, so two numbers in one column were always measured
    under the same rules and against the same images. A column is followed, where available, by its deviation ("std":
    over seeds if there are several, else over splits or the choice of samples), its "rank" among the runs and, for FID,
    the floor with its number of images, "floor@10000". The floor is followed by the "ratio" of the FID to it, both of
    that many images, and, if there are more samples than that, by the FID of a draw of "as many".
    Raises EvaluationError for a card that is not valid.
    """
    import pandas as pd

    groups = seed_groups(ScoreCard.read(name, scores[name]) for name in scores)
    real = [row for group in groups for row in group.newest.real_rows]
    protocols = [p for group in groups for card in group.finished for p in card.protocols]
    headers = column_headers([*protocols, *(p for row in real for p in row.protocols)])
    cells = {group.key: _measured(group, headers) for group in groups}
    for group, variant in zip(groups, variants_of(groups), strict=True):
        cells[group.key]["variant"] = variant
    _add_ranks(groups, headers, cells)
    lines: list[Cells] = []
    taken: set[tuple[object, ...]] = set()
    for row in published:
        variants = [group for group in groups if _is_attempt_at(row, group.newest)]
        variants.sort(key=lambda group: row.experiments.index(group.newest.experiment))
        taken |= {group.key for group in variants}
        lines += [{**_published(row), **cells[group.key], **_remarks(row, group)} for group in variants]
        if not variants:
            lines.append({**_published(row), "note": row.remark})
    known = {name for row in published for name in row.experiments}
    for group in groups:
        if group.key not in taken:
            name = OTHER_DATA if group.newest.experiment in known else UNPUBLISHED
            lines.append({"row": name, **cells[group.key], **_remarks(None, group)})
    lines += _real_lines(real, headers)
    fixed = {*PUBLISHED_COLUMNS, *MEASURED_COLUMNS, *DISCRIMINATOR_METRICS, *RUN_COLUMNS, *REMARK_COLUMNS}
    metrics = sorted({name for line in lines for name in line} - fixed, key=metric_order)
    columns = [*PUBLISHED_COLUMNS, *MEASURED_COLUMNS, *metrics, *DISCRIMINATOR_METRICS, *RUN_COLUMNS, *REMARK_COLUMNS]
    table = pd.DataFrame(lines, columns=columns, dtype=object)
    return table.astype({name: _kind(name) for name in columns})


def run_of_line(scores: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    """The newest run of each measured line, `ScoreCard.run`, by (experiment, variant, dataset)."""
    groups = seed_groups(ScoreCard.read(name, scores[name]) for name in scores)
    lines = zip(groups, variants_of(groups), strict=True)
    return {(one.newest.experiment, variant or "", one.newest.dataset): one.newest.run for one, variant in lines}


def _kind(column: str) -> str:
    if column in TEXT_COLUMNS or column.endswith(" rank"):
        return "string"
    return "Int64" if column in INTEGER_COLUMNS else "Float64"


def _is_attempt_at(row: PublishedRow, card: ScoreCard) -> bool:
    return card.experiment in row.experiments and row.is_of(card.dataset)


def _published(row: PublishedRow) -> Cells:
    return {
        "paper": row.paper, "table": row.table, "row": row.row, "metric": row.metric.upper(),
        "published": row.value, "published std": row.std, "published epoch": row.epoch,
    }  # fmt: skip


def _measured(group: SeedGroup, headers: Headers) -> Cells:
    card = group.newest
    discriminator = {name: group.final(name) for name in DISCRIMINATOR_METRICS}
    return {
        "experiment": card.experiment, "dataset": card.dataset, "status": _status(group),
        "seeds": ", ".join(str(one.seed) for one in (*group.finished, *group.diverged)),
        **_final(group, headers),
        **{name: found.value for name, found in discriminator.items() if found},
        **_best(group, headers),
        "num_samples": "; ".join(f"{p.source} {p.num_samples}" for p in card.protocols),
        "extractors": "; ".join(f"{p.source} {p.extractor_digest[:8]}" for p in card.protocols),
        "protocol": _rules(card),
        "epochs": card.epochs, "steps": card.steps, "images_seen": card.images_seen,
        "hardware": card.hardware, "training_seconds": card.training_seconds,
        "commit": card.commit[:12] + ("+dirty" if card.dirty else ""),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items())),
        "recipe": card.variant[:8], "data": card.data_digest[:8],
    }  # fmt: skip


def _rules(card: ScoreCard) -> str:
    """The rules that are not in headers, as text."""
    if not card.protocols:
        return ""
    rules = card.protocols[0]
    truncation = "none" if rules.truncation is None else f"{rules.truncation:g}"
    return (
        f"{rules.weights} weights, reference {rules.reference_name}, {_held_out(rules)}, truncation {truncation}, "
        f"bytes by {rules.quantisation}, latents of seed {rules.seed}"
    )


def _held_out(rules: Protocol) -> str:
    if not rules.held_out_count:
        return "nothing held out"
    held_out = f"{rules.held_out_count} images held out ({rules.held_out_digest[:8]})"
    return f"{held_out}, {rules.floor_count} of them the floor"


def _final(group: SeedGroup, headers: Headers) -> Cells:
    cells: Cells = {}
    for protocol, metric, found in group.scores():
        header = headers[protocol.comparability_digest(metric), metric.name]
        cells |= {header: found.value, f"{header} std": found.deviation}
    for protocol in group.protocols:
        cells |= _above_floor(group, protocol, headers)
    return {name: value for name, value in cells.items() if value is not None}


def _above_floor(group: SeedGroup, protocol: Protocol, headers: Headers) -> Cells:
    """The floor, and the distance of an equal number of samples divided by it."""
    header, prefix = headers[protocol.comparability_digest(FLOOR), FLOOR.name], protocol.metric_prefix
    floor = group.final(f"{prefix}fid_floor")
    at_floor_count = group.final(f"{prefix}fid_at_floor_count")
    distance = at_floor_count or group.final(f"{prefix}fid")
    if floor is None or distance is None:
        return {}
    ratio = distance.value / floor.value if floor.value else None
    as_many = at_floor_count.value if at_floor_count else None
    return {header: floor.value, f"{header} as many": as_many, f"{header} ratio": ratio}


def _best(group: SeedGroup, headers: Headers) -> Cells:
    cells: Cells = {}
    for which, name in BEST_METRICS.items():
        best_scores = group.best_scores(which)
        if len(group.finished) == len(best_scores) == 1:
            cells[f"best_{which}_epoch"] = best_scores[0].epoch
        for protocol in group.protocols:
            found = group.best(which, protocol.name_of(METRICS[name]))
            if found is not None:
                cells[f"best {headers[protocol.comparability_digest(METRICS[name]), name]}"] = found.value
    return cells


def _add_ranks(groups: Sequence[SeedGroup], headers: Headers, cells: Mapping[tuple[object, ...], Cells]) -> None:
    """Add ranks within each column, over runs; real images have none."""
    columns: dict[tuple[str, str], list[tuple[SeedGroup, Measured]]] = {}
    for group in groups:
        for protocol, metric, found in group.scores():
            if metric.of_features:
                header = headers[protocol.comparability_digest(metric), metric.name]
                columns.setdefault((metric.name, header), []).append((group, found))
    for (name, header), entries in columns.items():
        for (group, _), rank in zip(entries, ranks(METRICS[name], [value for _, value in entries]), strict=True):
            if rank:
                cells[group.key][f"{header} rank"] = rank


def _real_lines(rows: Sequence[RealRow], headers: Headers) -> list[Cells]:
    """One line per name and data set, whatever the number of protocols it was scored under."""
    lines: dict[tuple[str, str], Cells] = {}
    for row in rows:
        first: Cells = {"row": row.name, "dataset": row.dataset, "status": REAL_IMAGES}
        line = lines.setdefault((row.name, row.dataset), first)
        for protocol in row.protocols:
            for metric in METRICS.values():
                if (name := protocol.name_of(metric)) in row.metrics:
                    line[headers[protocol.comparability_digest(metric), metric.name]] = row.metrics[name]
    return [lines[key] for key in sorted(lines, key=lambda key: (key[1].split("/")[0], "copies" in key[0], key))]


def _status(group: SeedGroup) -> str:
    if not group.diverged:
        return "finished"
    reason = group.diverged[-1].diverged or ""
    text = reason if reason.startswith("diverged") else f"diverged: {reason}"
    total = len(group.finished) + len(group.diverged)
    return text if total == 1 else f"{len(group.diverged)} of {total} seeds diverged; the last {text}"


def _remarks(row: PublishedRow | None, group: SeedGroup) -> Cells:
    card = group.newest
    flags = [_status(group)] if group.diverged else []
    if row is not None and row.epochs is not None and card.epochs < row.epochs:
        flags.append(f"{card.epochs:g} of the published {row.epochs} epochs")
    if not any(protocol.extractor == "inception" for protocol in card.protocols):
        against = "" if row is None else ": its numbers are not comparable with the published one"
        flags.append(f"no Inception scores{against}")
    if len(group.finished) > 1:
        flags.append(f"means of seeds {', '.join(str(one.seed) for one in group.finished)}, deviations over them")
    if card.dirty:
        flags.append("measured with uncommitted changes")
    return {"flags": "; ".join([*flags, *card.notes]), "note": row.remark if row is not None else ""}
