"""The vector study: systems trained on rows of a table over seeds, scored alongside baselines that need no training."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from papergan.config.checked import VectorStudy
from papergan.config.papers import citation
from papergan.config.vector_study import VectorTrial, trials_of
from papergan.datasets.page import Page
from papergan.datasets.trial_results import VectorTrialStore
from papergan.inference.model_folder import StoredModel
from papergan.pipelines.groups import named_node
from papergan.studies.named_trials import grouped_named, notes_of, packaged, train_named, trial_table
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.tables import study_page
from papergan.studies.vectors import results as vector_results
from papergan.studies.vectors.trials import VectorTrainer
from papergan.studies.worker import failures
from papergan.tracking import Tracker
from papergan.training.history import Row
from papergan.vectors.scores import GAUSSIAN, INDEPENDENT, MOST_COMPARED, TRAINING_ROWS
from papergan.vectors.tables import load_vectors
from papergan.vectors.vectors import VectorSplits

NAME = "vector_study"


def ingest_vectors(study: VectorStudy) -> VectorSplits:
    """The rows of the recipe: drawn, or read from a table."""
    return load_vectors(study.recipe.vectors)


def train_systems(
    study: VectorStudy, vectors: VectorSplits, trials: VectorTrialStore, tracker: Tracker
) -> dict[str, str]:
    """Run every trial that is not finished, as in `train_named`."""
    trainer = VectorTrainer(trials, vectors)
    return train_named(study.recipe.workers, _trials(study, vectors), trainer, trials, tracker)


def _trials(study: VectorStudy, vectors: VectorSplits) -> list[VectorTrial]:
    return trials_of(study.recipe, vectors.digest)


def score_baselines(study: VectorStudy, vectors: VectorSplits) -> dict[str, Row]:
    """The scores of training rows, a Gaussian, and rows with independent columns."""
    return vector_results.baselines(study.recipe, vectors)


def tabulate(
    study: VectorStudy, vectors: VectorSplits, trials: VectorTrialStore, finished: Mapping[str, str],
    baselines: Mapping[str, Row],
) -> Page:  # fmt: skip
    """The page: the scores of every system over seeds, next to baselines."""
    groups = grouped_named(_trials(study, vectors), trials, finished)
    return study_page(
        [(vectors.train.name.rpartition("/")[0], vector_results.summary(groups, baselines))], [],
        f"{study.name}: {study.recipe.description}", _notes(study, vectors, groups),
        trial_table(groups, baselines), sentences=[" ".join(one) for one in failures(finished).items()],
    )  # fmt: skip


def _notes(study: VectorStudy, vectors: VectorSplits, groups: list[vector_results.VectorGroup]) -> list[str]:
    recipe, (missing, made_by) = study.recipe, notes_of(groups)
    count = min(recipe.samples, len(vectors.test), MOST_COMPARED)
    return [
        *missing,
        f"{len(vectors.train)} training and {len(vectors.test)} test rows ({vectors.train.name}, {vectors.test.name}), "
        f"columns {', '.join(vectors.train.columns)}, digest {vectors.digest[:12]}",
        f"all scores: {count} generated rows and as many test rows, never trained on; columns divided by the deviation "
        "of training rows; precision and recall by 3 neighbours, density and coverage by 5; 1-NN accuracy: 0.5 is "
        "best; Kolmogorov-Smirnov and correlation error: 0 is best, means over columns and pairs of them",
        f"{TRAINING_ROWS}: what no generator is to be expected to beat; {GAUSSIAN}: of their mean and covariance; "
        f"{INDEPENDENT}: each column drawn by itself from training rows; beats both: whether the 1-NN accuracy is "
        "nearer to 0.5 than those of these two, by more than two deviations over seeds and in Welch's t-test at 5 %",
        citation(recipe.paper),
        f"{recipe.steps} steps of {recipe.batch_size} rows; ± over seeds {', '.join(map(str, recipe.seeds))} (N - 1)",
        *made_by,
    ]


def draw_rows(
    study: VectorStudy, vectors: VectorSplits, trials: VectorTrialStore, finished: Mapping[str, str]
) -> object:
    """A matplotlib Figure of test rows and of generated ones, by pairs of columns."""
    groups = grouped(NamedGroup, _trials(study, vectors), trials)
    shown = vector_results.rows_shown(groups, vectors)
    return vector_results.scatter(shown, vectors.train.columns, f"{study.name}: rows of the first seed")


def draw_over_time(
    study: VectorStudy, vectors: VectorSplits, trials: VectorTrialStore, finished: Mapping[str, str],
    baselines: Mapping[str, Row],
) -> object:  # fmt: skip
    """A matplotlib Figure of scores over training."""
    groups = grouped(NamedGroup, _trials(study, vectors), trials)
    return vector_results.over_time(groups, baselines, f"{study.name}: scores while training")


def package_models(
    study: VectorStudy, vectors: VectorSplits, trials: VectorTrialStore, finished: Mapping[str, str]
) -> dict[str, StoredModel]:
    """The model of each system, from its first seed that finished; `papergan.load` reads it."""
    groups = grouped(NamedGroup, _trials(study, vectors), trials)
    return packaged(groups, lambda group: vector_results.model_of(group, vectors))


def create_pipeline() -> Pipeline:
    """The pipeline of the vector study. Finished trials are kept: the same command continues."""
    recipe = "params:recipe"
    inputs = [recipe, "vectors", "trials", "finished"]
    nodes = [
        named_node(ingest_vectors, recipe, "vectors"),
        named_node(train_systems, [recipe, "vectors", "trials", "tracker"], "finished"),
        named_node(score_baselines, [recipe, "vectors"], "baselines"),
        named_node(tabulate, [*inputs, "baselines"], "page"),
        named_node(draw_rows, inputs, "rows"),
        named_node(draw_over_time, [*inputs, "baselines"], "over_time"),
        named_node(package_models, inputs, "models"),
    ]
    return Pipeline(nodes, namespace=NAME, parameters={recipe: f"params:{NAME}"})
