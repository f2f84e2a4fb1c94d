"""The mode stress test: losses and regularisers on mixtures of Gaussians, whose covered modes are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kedro.pipeline import Pipeline

from papergan.config.checked import ModeStress
from papergan.config.papers import citation
from papergan.datasets.page import Page
from papergan.datasets.trial_results import ModeTrialStore
from papergan.pipelines.groups import named_node
from papergan.reporting.pages import text
from papergan.reporting.pros_and_cons import read_statements, statement_table
from papergan.studies.claims import claim_results, claim_sentences
from papergan.studies.named_trials import grouped_named, notes_of, train_named
from papergan.studies.points import results as mode_results
from papergan.studies.points.results import measures_of, summary, trial_table
from papergan.studies.points.trials import PointsTrainer
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.studies.tables import study_page
from papergan.studies.worker import failures
from papergan.tracking import Tracker


def run_stress_test(stress: ModeStress, trials: ModeTrialStore, tracker: Tracker) -> dict[str, str]:
    """Run every trial that is not finished, as in `train_named`."""
    return train_named(stress.recipe.workers, stress.trials, PointsTrainer(trials), trials, tracker)


def tabulate(
    stress: ModeStress, trials: ModeTrialStore, finished: Mapping[str, str], pros_and_cons: Mapping[str, Any]
) -> Page:
    """The page of the stress test: modes covered by every level over seeds, claims, the paper's pros and cons."""
    recipe, groups = stress.recipe, grouped_named(stress.trials, trials, finished)
    statements = read_statements(pros_and_cons, recipe.paper)
    losses = {loss for statement in statements for loss in statement.loss}
    tables, more, sentences = [], [], []
    for target, mixture_recipe in recipe.targets.items():
        target_groups = [group for group in groups if group.grid == target and group.results]
        tables.append((f"{target} of {mixture_recipe.modes} Gaussians", summary(target_groups, mixture_recipe, recipe)))
        sentences += [
            f"{target}: {sentence}" for sentence in claim_sentences(claim_results(recipe.claims, target_groups))
        ]
        if losses & {group.trial.level for group in target_groups}:
            more.append((f"Pros and cons, {target}", statement_table(statements, measures_of(target_groups))))
    return study_page(
        tables, more, f"{stress.name}: {recipe.description}", _notes(stress, groups), trial_table(groups),
        sentences=[*sentences, *map(" ".join, failures(finished).items())],
    )  # fmt: skip


def _notes(stress: ModeStress, groups: list[mode_results.ModeGroup]) -> list[str]:
    recipe, (missing, made_by) = stress.recipe, notes_of(groups)
    worst = math.log(max(mixture.modes for mixture in recipe.targets.values()))
    return [
        *missing,
        f"a mode is covered if one of {recipe.samples} samples lies within 3 deviations of its centre; "
        f"high quality: the share of samples that lie so near to some centre; divergence: KL of the modes' shares from "
        f"equal ones, 0 is best, {text(worst)} the worst on the grid; after the last step, and the mean over the "
        "second half of training",
        citation(recipe.paper),
        f"{recipe.steps} steps of {recipe.batch_size} points, system {recipe.system}, "
        f"{', '.join(f'{name} {value}' for name, value in recipe.common.items())}; ± over seeds "
        f"{', '.join(map(str, recipe.seeds))} (N - 1)",
        *made_by,
    ]


def draw_samples(stress: ModeStress, trials: ModeTrialStore, finished: Mapping[str, str]) -> object:
    """A matplotlib Figure of generated points on the centres, one panel per level."""
    return mode_results.samples(
        grouped(NamedGroup, stress.trials, trials), stress.recipe, f"{stress.name}: samples of the first finished seed"
    )


def draw_modes(stress: ModeStress, trials: ModeTrialStore, finished: Mapping[str, str]) -> object:
    """A matplotlib Figure of the modes covered over steps."""
    return mode_results.modes(
        grouped(NamedGroup, stress.trials, trials), stress.recipe, f"{stress.name}: modes covered over steps"
    )


def create_pipeline(name: str = "mode_stress_test") -> Pipeline:
    """The pipeline of the tool on points of this name. Finished trials are kept: the same command continues."""
    recipe = "params:recipe"
    inputs = [recipe, "trials", "finished"]
    nodes = [
        named_node(run_stress_test, [recipe, "trials", "tracker"], "finished"),
        named_node(tabulate, [*inputs, "pros_and_cons"], "page"),
        named_node(draw_samples, inputs, "samples"),
        named_node(draw_modes, inputs, "modes_over_time"),
    ]
    parameters = {recipe: f"params:{name}"}
    return Pipeline(nodes, namespace=name, inputs={"pros_and_cons"}, parameters=parameters, tags=["stress"])
