"""A study's tables: means and deviations over seeds, and what became of the claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from papergan.evaluation.checkerboard import checkerboard
from papergan.evaluation.metrics import METRICS
from papergan.evaluation.pages import text
from papergan.evaluation.published import PublishedRow
from papergan.evaluation.ranking import ranks
from papergan.evaluation.seeds import Measured
from papergan.pipelines.study.groups import Group
from papergan.study import CellResult

if TYPE_CHECKING:
    import pandas as pd

SHOWN = (
    "fid", "is_mean", "log_is", "precision", "recall", "coverage", "classes_covered", "class_entropy", "ms_ssim",
    "copy_rate", "distance_ratio", "two_sample_accuracy",
)  # fmt: skip
RANKED = ("fid", "is_mean", "recall", "coverage")


def is_part(prefix: str) -> bool:
    """Whether an extractor is the first features of another one ("domain64_"), of which only the distance is shown."""
    return prefix.rstrip("_")[-1:].isdigit()


def summary(groups: Sequence[Group], published: Sequence[PublishedRow]) -> pd.DataFrame:
    """One row per group of one grid and data set: published numbers, then "mean ± deviation (rank)" over the seeds.

    Beside the metrics: the discriminator's accuracy, how far its loss moves from epoch to epoch in the second half of
    training (the standard deviation), the time per image as a multiple of the fastest row's, and checkerboards of the
    samples that are kept (`papergan.evaluation.checkerboard`).
    """
    import pandas as pd

    lines = [_head(group, published) for group in groups]
    for metric in SHOWN:
        columns: dict[str, dict[int, Measured]] = {}
        for place, group in enumerate(groups):
            for protocol, found in group.measured(metric):
                if metric == "fid" or not is_part(protocol.metric_prefix):
                    columns.setdefault(protocol.label(metric), {})[place] = found
        for label, values in columns.items():
            ranked = metric in RANKED and min(value.runs for value in values.values()) > 1
            places = ranks(METRICS[metric], list(values.values())) if ranked else [""] * len(values)
            for (place, value), rank in zip(values.items(), places, strict=True):
                lines[place][label] = f"{with_deviation(value)}{f' ({rank})' if rank else ''}"
    fastest = min(filter(None, map(_seconds_per_image, groups)), default=0.0)
    for line, group in zip(lines, groups, strict=True):
        accuracy = group.seeds.final("discriminator_accuracy_midpoint")
        line["D accuracy"] = with_deviation(accuracy) if accuracy else ""
        line["D loss spread"] = _over(group.results, spread_of_loss)
        line["time"] = f"{_seconds_per_image(group) / fastest:.2f}x" if fastest else ""
        line["checkerboard"] = _over(group.results, _checkerboard)
        line["flags"] = _flags(group)
    return pd.DataFrame(lines)


def _head(group: Group, published: Sequence[PublishedRow]) -> dict[str, Any]:
    line: dict[str, Any] = {"experiment": group.experiment, **group.levels}
    line["seeds"] = ", ".join(str(card.seed) for card in group.seeds.finished)
    for row in published:
        if group.as_published and group.experiment in row.experiments:
            value = text(row.value) if row.std is None else f"{text(row.value)} ± {text(row.std)}"
            line[f"published {row.metric.upper()}"] = value
    return line


def _flags(group: Group) -> str:
    flags = []
    if group.seeds.diverged:
        seeds = ", ".join(str(card.seed) for card in group.seeds.diverged)
        flags.append(f"seeds {seeds}: {group.seeds.diverged[-1].diverged}")
    if group.missing:
        flags.append(f"not done yet: seeds {', '.join(map(str, group.missing))}")
    return "; ".join(flags)


def with_deviation(value: Measured) -> str:
    """As "12.3 ± 0.4"; what one run knows of its deviation by itself is left out, since it is not one over seeds."""
    spread = f" ± {text(value.deviation)}" if value.runs > 1 and value.deviation is not None else ""
    return f"{text(value.value)}{spread}"


def _seconds_per_image(group: Group) -> float:
    cards = [result.card for result in group.results if result.card.images_seen]
    return fmean(card.training_seconds / card.images_seen for card in cards) if cards else 0.0


def spread_of_loss(result: CellResult) -> float | None:
    """The standard deviation of the discriminator's whole loss over the reports of the second half of training."""
    losses = player_losses(result, "discriminator")
    late = [loss for _, loss in losses[len(losses) // 2 :]]
    return pstdev(late) if len(late) > 1 else None


def _checkerboard(result: CellResult) -> float | None:
    fits = result.samples is not None and result.samples.shape[-1] % 2 == 0 and result.samples.shape[-1] >= 8
    return checkerboard(result.samples) if result.samples is not None and fits else None


def player_losses(result: CellResult, player: str, *, adversarial: bool = False) -> list[tuple[float, float]]:
    """(epoch, loss) of every report: the sum of a player's weighted terms, or its adversarial loss alone."""
    found = []
    for row in result.history.losses:
        terms = {name for name in row if name.startswith(f"{player}.")} - {f"{player}.gradient_norm"}
        counted = terms & {f"{player}.{player}_loss"} if adversarial else terms
        if counted:
            found.append((row["epoch"], sum(row[name] for name in counted)))
    return found


def _over(results: Sequence[CellResult], measure: Any) -> str:
    values = [value for value in map(measure, results) if value is not None]
    if not values:
        return ""
    mean = fmean(values)
    deviation = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else None
    return with_deviation(Measured(mean, deviation, len(values)))


def every_cell(groups: Sequence[Group]) -> pd.DataFrame:
    """One row per cell with every number that was measured, for whoever wants to go on from there."""
    import pandas as pd

    return pd.DataFrame(list(_cells(groups)))


def _cells(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for result in group.results:
            card = result.card
            facts: Mapping[str, Any] = {
                "seed": card.seed, "dataset": card.dataset, "diverged": card.diverged, "epochs": card.epochs,
                "steps": card.steps, "images_seen": card.images_seen, "training_seconds": card.training_seconds,
                "recipe": card.recipe_fingerprint, "data": card.data_digest[:12], "commit": card.commit[:12],
                "hardware": card.hardware,
            }  # fmt: skip
            yield {"grid": group.grid, "experiment": group.experiment, **group.levels, **facts, **card.final}
