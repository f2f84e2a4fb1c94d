"""The comparison: what the papers reported beside what was measured here, and under which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from papergan.evaluation.protocol import Protocol
from papergan.evaluation.published import PublishedRow
from papergan.evaluation.scorecard import BestScore, ScoreCard

if TYPE_CHECKING:
    import pandas as pd

Cell = str | float | int | None
Cells = dict[str, Cell]

PUBLISHED = ["document", "table", "row", "metric", "published", "published std", "published epoch"]
MEASURED = ["experiment", "dataset", "status"]
DISCRIMINATOR = ["discriminator_accuracy_zero", "discriminator_accuracy_midpoint", "discriminator_gap"]
ACCOUNT = [
    "best_fid_epoch", "best_is_epoch", "num_samples", "extractors", "sampled weights", "epochs", "steps", "images_seen",
    "seed", "hardware", "training_seconds", "commit", "versions", "recipe", "data",
]  # fmt: skip
REMARKS = ["flags", "note"]
TEXT = {
    "document", "table", "row", "metric", *MEASURED, "num_samples", "extractors", "sampled weights", "hardware",
    "commit", "versions", "recipe", "data", *REMARKS,
}  # fmt: skip
WHOLE = {"published epoch", "steps", "images_seen", "seed"}
UNPUBLISHED = "(no published row)"
OTHER_DATA = "not the published data set"


def comparison_table(
    published: Sequence[PublishedRow], scores: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:  # Any: stored documents, validated here
    """One line per published row and measured variant of it; rows nobody measured have empty cells.

    scores: stored score cards by any name; a card stands for the rows whose `experiments` name its experiment, and
    for a line of its own where none does. Every measured column carries its protocol in its header, for example
    `fid@10000v50000-train-inception`; where two protocols share that label, what differs is added, so that two numbers
    of one column were always measured under the same rules and against the same images.
    Raises EvaluationError for a card that is not valid.
    """
    import pandas as pd

    cards = [ScoreCard.read(name, scores[name]) for name in sorted(scores)]
    headers = column_headers([protocol for card in cards for protocol in card.protocols])
    lines: list[Cells] = []
    for row in published:
        variants = [card for name in row.experiments for card in cards if card.experiment == name]
        lines += [{**_published(row), **_measured(card, headers), **_remarks(row, card)} for card in variants]
        if not variants:
            lines.append({**_published(row), "note": row.note})
    taken = {name for row in published for name in row.experiments}
    for card in cards:
        if card.experiment not in taken:
            lines.append({"row": UNPUBLISHED, **_measured(card, headers), **_remarks(None, card)})
    fixed = {*PUBLISHED, *MEASURED, *DISCRIMINATOR, *ACCOUNT, *REMARKS}
    measured = sorted({name for line in lines for name in line} - fixed, key=_metric_order)
    columns = [*PUBLISHED, *MEASURED, *measured, *DISCRIMINATOR, *ACCOUNT, *REMARKS]
    table = pd.DataFrame(lines, columns=columns, dtype=object)
    kinds = {name: "string" if name in TEXT else "Int64" if name in WHOLE else "Float64" for name in columns}
    return table.astype(kinds)


def column_headers(protocols: Sequence[Protocol]) -> dict[tuple[str, str], str]:
    """By (ruler digest, "fid" or "is"): the label, and where several rulers share it, in what this one differs."""
    rulers: dict[tuple[str, str], dict[str, Protocol]] = {}
    for protocol in protocols:
        for score, label in (("fid", protocol.label), ("is", protocol.inception_score_label)):
            rulers.setdefault((score, label), {})[protocol.ruler_digest] = protocol
    headers = {}
    for (score, label), sharing in rulers.items():
        values = [protocol.ruler for protocol in sharing.values()]
        differing = [name for name in values[0] if len({ruler[name] for ruler in values}) > 1]
        for digest, protocol in sharing.items():
            parts = [f"{name} {_short(name, protocol.ruler[name])}" for name in differing]
            headers[digest, score] = f"{label} [{', '.join(parts)}]" if parts else label
    return headers


def _short(name: str, value: str | int) -> str:
    return str(value)[:8] if name.endswith("digest") else str(value)


def _metric_order(header: str) -> tuple[bool, bool, str]:
    """Inception's before other extractors', final before best."""
    return "domain_" in header, header.startswith("best "), header


def _published(row: PublishedRow) -> Cells:
    return {
        "document": row.document, "table": row.table, "row": row.row, "metric": row.metric.upper(),
        "published": row.value, "published std": row.std, "published epoch": row.epoch,
    }  # fmt: skip


def _measured(card: ScoreCard, headers: Mapping[tuple[str, str], str]) -> Cells:
    return {
        "experiment": card.experiment, "dataset": card.dataset, "status": _status(card),
        **_final(card, headers),
        **{name: card.final.get(name) for name in DISCRIMINATOR},
        **_best(card, card.best_fid, "fid", headers),
        **_best(card, card.best_is, "is", headers),
        "num_samples": "; ".join(f"{p.extractor} {p.num_samples}" for p in card.protocols),
        "extractors": "; ".join(f"{p.extractor} {p.extractor_digest[:8]}" for p in card.protocols),
        "sampled weights": ", ".join(sorted({p.weights for p in card.protocols})),
        "epochs": card.epochs, "steps": card.steps, "images_seen": card.images_seen, "seed": card.seed,
        "hardware": card.hardware, "training_seconds": card.training_seconds,
        "commit": card.commit[:12] + ("+dirty" if card.dirty else ""),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items())),
        "recipe": card.recipe_fingerprint[:8], "data": card.data_digest[:8],
    }  # fmt: skip


def _final(card: ScoreCard, headers: Mapping[tuple[str, str], str]) -> Cells:
    cells: Cells = {}
    for protocol in card.protocols_of(card.final):
        prefix = protocol.metric_prefix
        fid, inception = (headers[protocol.ruler_digest, score] for score in ("fid", "is"))
        distance, floor = card.final.get(f"{prefix}fid"), card.final.get(f"{prefix}fid_floor")
        cells |= {fid: distance, f"{fid} floor": floor}
        cells[f"{fid} ratio"] = distance / floor if distance is not None and floor else None
        cells |= {inception: card.final.get(f"{prefix}is_mean"), f"{inception} std": card.final.get(f"{prefix}is_std")}
    return cells


def _best(card: ScoreCard, best: BestScore | None, score: str, headers: Mapping[tuple[str, str], str]) -> Cells:
    if best is None:
        return {}
    cells: Cells = {f"best_{score}_epoch": best.epoch}
    for protocol in card.protocols_of(best.metrics):
        metric = f"{protocol.metric_prefix}{'fid' if score == 'fid' else 'is_mean'}"
        cells[f"best {headers[protocol.ruler_digest, score]}"] = best.metrics.get(metric)
    return cells


def _status(card: ScoreCard) -> str:
    if card.diverged is None:
        return "finished"
    return card.diverged if card.diverged.startswith("diverged") else f"diverged: {card.diverged}"


def _remarks(row: PublishedRow | None, card: ScoreCard) -> Cells:
    flags = [] if card.diverged is None else [_status(card)]
    if row is not None and card.dataset.split("/")[0] != row.dataset:
        flags.append(f"{OTHER_DATA} ({card.dataset}, not {row.dataset})")
    if row is not None and row.epochs is not None and card.epochs < row.epochs:
        flags.append(f"{card.epochs:g} of the published {row.epochs} epochs")
    if not any(protocol.extractor == "inception" for protocol in card.protocols):
        flags.append("no Inception scores: its numbers are not comparable with the published one")
    if card.dirty:
        flags.append("measured with uncommitted changes")
    return {"flags": "; ".join([*flags, *card.notes]), "note": row.note if row is not None else ""}
