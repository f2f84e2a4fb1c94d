"""A study: experiments over seeds and levels of factors, in one table with figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline

from papergan.config.checked import Study
from papergan.config.papers import citation
from papergan.config.study import ExperimentTrial
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.evaluation.translation_baselines import BASELINES
from papergan.inference.model_library import ModelLibrary
from papergan.metrics.registry import prefix_and_metric
from papergan.pipelines.groups import named_node
from papergan.reporting.comparison_page import PAIRS
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import Statement, read_statements, statement_table
from papergan.reporting.published_results import PublishedRow, published_notes, published_rows
from papergan.studies import figures
from papergan.studies.claims import claim_results, claim_sentences, claim_table
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.measures import made_by
from papergan.studies.seed_groups import ExperimentGroup, grouped, groups_by_table
from papergan.studies.tables import measures_of, study_page, summary, trial_table
from papergan.studies.worker import failures
from papergan.studies.workers import train_all
from papergan.tracking import Tracker

if TYPE_CHECKING:
    import pandas as pd

CONSOLE_METRICS = (  # what there is room for; the page has the rest
    "psnr_y@", "ssim_y@", "lpips@", "target_share@", "cycle_error@", "fid@", "is@", "recall@", "nas@", "nas_real@",
    "nas_flips@", "copies@", "ms_ssim@",
)  # fmt: skip
FIGURES = {
    "losses": (figures.losses, "losses"),
    "scores": (figures.scores, "scores over epochs"),
    "samples": (figures.samples, "samples"),
    "neighbours": (figures.neighbours, "samples and their nearest training images"),
}
"""What draws each figure, and its title; most have a panel per row of the table."""


def run_study(
    study: Study, image_library: ImageLibrary, feature_cache: FeatureCache, model_library: ModelLibrary,
    trials: ExperimentTrialStore,
    tracker: Tracker,
) -> tuple[dict[str, str], dict[str, list[int]]]:  # fmt: skip
    """Run every trial that is not finished.

    Returns, by name and seed, the key under which each result is stored, or why the trial failed; and, where trials
    train on only some images of a data set, which images these are, by the name of the image set.
    Raises Interrupted after a stop signal; the same command continues from there.
    """
    trainer = ExperimentTrainer(image_library, feature_cache, trials.checkpoints, model_library)
    failed = train_all(study.recipe.workers, study.trials, trainer, trials, tracker)
    return where_kept(study.trials, trainer, failed)


def where_kept(
    trials: Sequence[ExperimentTrial], trainer: ExperimentTrainer, failed: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, str], dict[str, list[int]]]:
    """The key of each result by name and seed, and the images trained on, as `run_study` returns them.

    failed: why there is no result, by key.
    """
    subsets = dict(filter(None, map(trainer.subset_of, trials)))
    return {_name(trial): failed.get(trial.key, trial.key) for trial in trials}, subsets


def _name(trial: ExperimentTrial) -> str:
    return f"{trial.grid}: {trial.name}, seed {trial.seed}"


def tabulate(
    study: Study, trials: ExperimentTrialStore, finished: Mapping[str, str], published: Mapping[str, Any],
    pros_and_cons: Mapping[str, Any], sentences: Sequence[str] = (),
) -> Page:  # fmt: skip
    """The page of a study: means and deviations over seeds, published numbers, claims with their results.

    finished: the trials that were run; missing and failed ones are flagged in their row. published, pros_and_cons: of
    conf/base; the latter is used where the study has losses that the paper discusses. sentences: further ones, placed
    before those of claims.
    """
    failed = failures(finished)
    reasons = {trial.key: failed[_name(trial)] for trial in study.trials if _name(trial) in failed}
    groups = grouped(ExperimentGroup, study.trials, trials, reasons)
    rows = [row for row in published_rows(published) if row.paper == study.recipe.paper]
    rows = [row for row in rows if study.recipe.tables is None or row.table in study.recipe.tables]
    trained_on = {group.dataset.split("/")[0] for group in groups}
    rows = [row for row in rows if row.metric not in PAIRS or row.dataset in trained_on]  # no pairs of other images
    tables = [(f"{grid}, {data}", summary(part, rows)) for (grid, data), part in groups_by_table(groups).items()]
    results = claim_results(study.recipe.claims, groups, rows)
    more = [("Claims", claim_table(results))] if results else []
    more += _pros_and_cons(groups, read_statements(pros_and_cons, study.recipe.paper))
    return study_page(
        tables, more, f"{study.name}: {study.recipe.description}", _notes(study, groups, rows, published),
        trial_table(groups), sentences=[*sentences, *claim_sentences(results), *map(" ".join, failed.items())],
        narrow=_narrow,
    )  # fmt: skip


def _pros_and_cons(
    groups: Sequence[ExperimentGroup], statements: Sequence[Statement]
) -> list[tuple[str, pd.DataFrame]]:
    losses = {loss for statement in statements for loss in statement.loss}
    return [
        (f"Pros and cons, {grid}, {data}", statement_table(statements, measures_of(part)))
        for (grid, data), part in groups_by_table(groups).items()
        if losses & {level for group in part for level in group.trial.levels.values()}
    ]


def _narrow(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in table.columns if "@" not in name or any(kind in name for kind in CONSOLE_METRICS)]]


def _notes(
    study: Study, groups: Sequence[ExperimentGroup], rows: Sequence[PublishedRow], published: Mapping[str, Any]
) -> list[str]:
    finished = {id(result): result.card for group in groups for result in group.results}  # a trial may be in two grids
    done, missing = [*finished.values()], len({trial.key for trial in study.trials}) - len(finished)
    notes = [f"{len(done)} trials done, {missing} not yet"] if missing else []
    real_rows = {(real.dataset, real.name): real for card in done for real in card.real_rows}
    for real in (row for row in real_rows.values() if row.name not in BASELINES):  # the baselines are in the tables
        values = [f"{name} {text(value)}" for name, value in real.metrics.items() if prefix_and_metric(name)]
        notes.append(f"{real.name} of {real.dataset}, by the same rules: {', '.join(values)}")
    notes += [f"{row.table}, {row.row}: {row.remark}" for row in rows if row.remark]
    paper = study.recipe.paper
    notes += published_notes({paper: published[paper]}, citation) if rows else [citation(paper)]
    notes += dict.fromkeys(made_by(card) for card in done)  # several, where a study was continued elsewhere
    notes.append(
        "± is the standard deviation over seeds (N - 1); a rank such as 1-3 says that nothing separates this row from "
        "two others; D loss spread is the deviation of the discriminator's loss over the second half of training; "
        "checkerboard is log10 of 64 samples' power at the frequencies of period 2 over that of their neighbours"
    )
    return notes


def drawing(name: str) -> Callable[[Study, ExperimentTrialStore, object], object]:
    """The node function that draws one of FIGURES, a matplotlib Figure."""
    make, title = FIGURES[name]

    def draw(study: Study, trials: ExperimentTrialStore, finished: object) -> object:
        return make(grouped(ExperimentGroup, study.trials, trials), f"{study.name}: {title}")

    draw.__name__ = f"draw_{name}"
    return draw


def create_pipeline(study: str) -> Pipeline:
    """The pipeline of one study, which runs its trials itself."""
    recipe, stores = "params:recipe", ["image_library", "feature_cache", "model_library"]
    inputs = [recipe, "trials", "finished"]
    nodes = [
        named_node(run_study, [recipe, *stores, "trials", "tracker"], ["finished", "subsets"]),
        named_node(tabulate, [*inputs, "published", "pros_and_cons"], "study_table"),
        *(named_node(drawing(name), inputs, f"study_{name}") for name in FIGURES),
    ]
    shared, parameters = {*stores, "published", "pros_and_cons"}, {recipe: f"params:{study}"}
    return Pipeline(nodes, namespace=study, inputs=shared, parameters=parameters, tags=["study"])
