"""Tables of a study: means and deviations over seeds, and all trials; and the page of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from papergan.datasets.page import Page
from papergan.evaluation.scorecard import BEST_METRICS, RealRow, ScoreCard
from papergan.evaluation.translation_baselines import BASELINES
from papergan.metrics.registry import METRICS
from papergan.reporting.column_headers import column_headers
from papergan.reporting.comparison_table import OTHER_DATA
from papergan.reporting.pages import console_table, plus_minus, text
from papergan.reporting.pros_and_cons import Measure, with_deviation
from papergan.reporting.published_results import PublishedRow
from papergan.reporting.seed_groups import Measured, mean_over, ranks
from papergan.studies.measures import (
    TrialMeasure,
    checkerboard_of_samples,
    is_intermediate_layer,
    relative_spread_of_loss,
    sampling_seconds,
    seconds_per_image,
    spread_of_loss,
)
from papergan.studies.seed_groups import OF_IMAGES, ExperimentGroup, diverged_levels, ended_early

if TYPE_CHECKING:
    import pandas as pd

SHOWN_METRICS = (
    "psnr_y", "ssim_y", "lpips", "target_share", "cycle_error",
    "fid", "is_mean", "log_is", "precision", "recall", "coverage", "classes_covered", "class_entropy", "ms_ssim",
    "nas_real", "nas_flips", "nas", "copy_rate", "distance_ratio", "two_sample_accuracy",
)  # fmt: skip
BEST = {metric: which for which, metric in BEST_METRICS.items()}  # metrics whose best epoch is in score cards
RANKED = ("fid", "is_mean", "recall", "coverage")
SPEEDS: dict[str, TrialMeasure] = {"time": seconds_per_image, "sampling": sampling_seconds}


def summary(groups: Sequence[ExperimentGroup], published: Sequence[PublishedRow]) -> pd.DataFrame:
    """One row per group of one grid and data set: published numbers, then "mean ± deviation (rank)" over the seeds.

    In addition to the metrics: the discriminator's accuracy and how well it recognises its training images, how far its
    loss moves from epoch to epoch in the second half of training (the standard deviation), training and sampling time,
    per image also as multiples of the fastest row's, and checkerboards in the kept samples
    (`papergan.metrics.checkerboard`). If numbers were published, also the best FID and Inception Score over epochs,
    since papers often give those, and remarks on them (note). Seeds that ended early count in no mean; only in a row of
    no others, images seen and training time are theirs. Below translations are baselines without a network, a row each.
    """
    import pandas as pd

    lines = [_head(group, published) for group in groups]
    headers = column_headers([protocol for group in groups for protocol in group.seeds.protocols], OF_IMAGES)
    for metric in SHOWN_METRICS:
        columns: dict[str, dict[int, Measured]] = {}
        bests: dict[tuple[str, int], str] = {}
        for place, group in enumerate(groups):
            for protocol, found in group.scored(metric):
                if metric == "fid" or not is_intermediate_layer(protocol.metric_prefix):
                    label = headers[protocol.comparability_digest(METRICS[metric]), metric]
                    columns.setdefault(label, {})[place] = found
                    bests[label, place] = _best(group, metric, protocol.metric_prefix)
        for label, values in columns.items():
            ranked = metric in RANKED and min(value.runs for value in values.values()) > 1
            places = ranks(METRICS[metric], list(values.values())) if ranked else [""] * len(values)
            for (place, value), rank in zip(values.items(), places, strict=True):
                lines[place][label] = f"{with_deviation(value)}{f' ({rank})' if rank else ''}"
                if published and metric in BEST:
                    lines[place][f"best {label}"] = bests[label, place]
    fastest = {kind: _fastest(groups, measure) for kind, measure in SPEEDS.items()}
    for line, group in zip(lines, groups, strict=True):
        accuracy = group.seeds.final("discriminator_accuracy_midpoint")
        line["D accuracy"] = with_deviation(accuracy)
        line["membership AUC"] = with_deviation(group.seeds.final("membership_auc"))
        line["D loss spread"] = with_deviation(group.over(spread_of_loss))
        counted = [result.card for result in group.results if ended_early(result) is None or not group.ended]
        line["images seen"] = with_deviation(mean_over(float(card.images_seen) for card in counted))
        line["training s"] = with_deviation(mean_over(card.training_seconds for card in counted))
        seconds = group.over(sampling_seconds)
        line["sampling ms"] = "" if seconds is None else text(1000 * seconds.value)
        for kind, measure in SPEEDS.items():
            mine = group.over(measure)
            line[kind] = f"{mine.value / fastest[kind]:.2f}x" if mine and fastest[kind] else ""
        line["checkerboard"] = with_deviation(group.over(checkerboard_of_samples))
        line["flags"] = group.flags
        if published:
            line["note"] = "; ".join(row.remark for row in group.attempts_at(published) if row.remark)
    return pd.DataFrame([*lines, *_baseline_lines(groups)])


def _head(group: ExperimentGroup, published: Sequence[PublishedRow]) -> dict[str, Any]:
    stands_for = group.attempts_at(published)
    name = "; ".join(row.row for row in stands_for) or (OTHER_DATA if group.named_by(published) else "")
    line: dict[str, Any] = {"row": name} if published else {}
    line |= {"experiment": group.trial.experiment, **group.trial.levels}
    line["seeds"] = ", ".join(str(card.seed) for card in group.seeds.finished)
    for row in stands_for:
        line[f"published {row.metric.upper()}"] = plus_minus(row.value, row.std)
    return line


def _baseline_lines(groups: Sequence[ExperimentGroup]) -> Iterator[dict[str, Any]]:
    """A line per baseline of these translations, the same for all seeds."""
    found: dict[tuple[str, str], RealRow] = {}
    for row in (row for group in groups for result in group.results for row in result.card.real_rows):
        if row.name in BASELINES:
            found.setdefault((row.name, row.dataset), row)
    for row in found.values():
        values = {
            protocol.label(metric): row.metrics[name]
            for protocol in row.protocols
            for metric in SHOWN_METRICS
            if (name := protocol.name_of(METRICS[metric])) in row.metrics
        }
        back = ", b to a" if any(protocol.direction for protocol in row.protocols) else ""
        yield {"experiment": f"{row.name}{back}"} | {label: text(value) for label, value in values.items()}


def _best(group: ExperimentGroup, metric: str, prefix: str) -> str:
    """At each seed's best epoch, by the rules of the final scores, as "21.30 ± 0.40 @ 40, 60"; "" for other metrics."""
    which = BEST.get(metric, "")
    found = group.seeds.best(which, f"{prefix}{metric}") if which else None
    epochs = ", ".join(f"{best.epoch:g}" for best in group.seeds.best_scores(which)) if found else ""
    return f"{with_deviation(found)} @ {epochs}" if found else ""


def _fastest(groups: Sequence[ExperimentGroup], measure: TrialMeasure) -> float:
    found = (group.over(measure) for group in groups)
    return min((one.value for one in found if one is not None and one.value > 0), default=0.0)  # 0: diverged at once


def measures_of(groups: Sequence[ExperimentGroup]) -> dict[str, list[Measure]]:
    """Measures of the properties that papers ascribe to losses, by level, for groups of one grid and data set.

    Only for grids with one factor: with several, a level covers many groups.
    """
    by_level = {
        level: group for group in groups if len(group.trial.levels) == 1 for level in group.trial.levels.values()
    }
    found: dict[str, list[Measure]] = {}
    diverged = diverged_levels(by_level.values())
    for of, metric in (("collapse", "recall"), ("collapse", "classes_covered"), ("quality", "fid")):
        labels: dict[str, dict[str, Measured]] = {}
        for level, group in by_level.items():
            for label, value in group.measured(metric, [*by_level.values()]):
                labels.setdefault(label, {})[level] = value
        higher = METRICS[metric].better == "higher"
        found.setdefault(of, []).extend(Measure(label, higher, values, diverged) for label, values in labels.items())
    for of, label, measure in (
        ("stability", "relative spread of D's loss", relative_spread_of_loss),
        ("cost", "seconds per image", seconds_per_image),
    ):
        all_of = {level: group.over(measure) for level, group in by_level.items()}
        values = {level: value for level, value in all_of.items() if value is not None}
        found[of] = [Measure(label, False, values, diverged)]
    return found


def trial_table(groups: Sequence[ExperimentGroup]) -> pd.DataFrame:
    """One row per trial with all its metrics, for further analysis."""
    import pandas as pd

    return pd.DataFrame(list(_trials(groups)))


def _trials(groups: Sequence[ExperimentGroup]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for result in group.results:
            card = result.card
            facts: dict[str, Any] = {
                "seed": card.seed, "dataset": card.dataset, "diverged": card.diverged, "epochs": card.epochs,
                "steps": card.steps, "images_seen": card.images_seen, "training_seconds": card.training_seconds,
                "sampling_seconds": card.sampling_seconds,
                "recipe": card.recipe_fingerprint, "data": card.data_digest[:12], "commit": card.commit[:12],
                "hardware": card.hardware,
            }  # fmt: skip
            facts |= {"pruned": card.pruned} if card.pruned else {}
            yield {
                "grid": group.grid,
                "experiment": group.trial.experiment,
                **group.trial.levels,
                **facts,
                **card.final,
            } | dict(_best_of(card))


def _best_of(card: ScoreCard) -> Iterator[tuple[str, float]]:
    for metric, which in BEST.items():
        if best := card.best.get(which):
            yield f"best_{which}.epoch", best.epoch
            yield from ((f"best_{which}.{name}", at) for name, at in best.metrics.items() if name.endswith(metric))


def study_page(
    tables: Sequence[tuple[str, pd.DataFrame]],
    more: Sequence[tuple[str, pd.DataFrame]],
    title: str,
    notes: Sequence[str],
    trials: pd.DataFrame,
    *,
    sentences: Sequence[str] = (),
    narrow: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> Page:
    """The page of a study. tables: heading and table; `narrow` selects columns for the console.

    more: tables on the page only. sentences: above the notes, on the console too. trials: one row each, for the CSV.
    """
    console = [f"{heading}\n{console_table(narrow(table))}\n" for heading, table in tables]
    return Page.of([*tables, *more], title, [*sentences, *notes], trials, console="\n".join([*console, *sentences]))
