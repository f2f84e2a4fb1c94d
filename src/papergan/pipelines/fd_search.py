"""The search for FD: raised from 1 until training is stable after epoch 30 (song2023, section 3.1)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from kedro.pipeline import Pipeline

from papergan.config.checked import Search
from papergan.config.papers import citation, find_paper
from papergan.config.study import ExperimentTrial, TrialResult
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.inference.model_library import ModelLibrary
from papergan.metrics.registry import prefix_and_metric
from papergan.metrics.stability import instability
from papergan.pipelines.groups import named_node
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.measures import player_losses
from papergan.studies.runner import run_trials
from papergan.studies.tables import study_page
from papergan.tracking import Tracker

logger = logging.getLogger(__name__)

Trace = list[dict[str, Any]]
SCORES = ("fid", "is_mean", "recall", "coverage", "ms_ssim")


def search(
    search: Search, image_library: ImageLibrary, feature_cache: FeatureCache, model_library: ModelLibrary,
    trials: ExperimentTrialStore,
    tracker: Tracker,
) -> tuple[Trace, dict[str, int]]:  # fmt: skip
    """Train with FD = 1, 2, ... of every experiment up to the first stable one.

    Returns every trial, and the FD chosen for each experiment that has a stable one. After an interruption, the same
    command continues from there.
    """
    trace, chosen = Trace(), dict[str, int]()

    def candidates() -> Iterator[ExperimentTrial]:
        """The next FD of each experiment, until one is chosen."""
        yield from (trial for trial in search.trials if trial.experiment not in chosen)

    def note(trial: ExperimentTrial, result: TrialResult) -> None:
        differences = int(trial.levels["FD"])
        reason = result.card.diverged or instability(result.history.losses, search.recipe.rule)
        logger.info("%s, FD %d: %s", trial.experiment, differences, reason or "nothing unstable; it is chosen")
        about = {"experiment": trial.experiment, "FD": differences, "instability": reason, "trial": trial.key}
        trace.append({**about, **_scores(result)})
        if reason is None:
            chosen[trial.experiment] = differences

    trainer = ExperimentTrainer(image_library, feature_cache, trials.checkpoints, model_library)
    run_trials(candidates(), trainer, trials, tracker, note, trainer.check)
    return trace, chosen


def _scores(result: TrialResult) -> dict[str, float]:
    kept = {}
    for name, value in result.card.final.items():
        found = prefix_and_metric(name)
        if found is not None and found[1].name in SCORES:
            kept[name] = value
    return kept


def tabulate(search: Search, trace: Trace) -> Page:
    """The page of the search: every trial with its instability, and the choice of each experiment."""
    import pandas as pd

    table = pd.DataFrame(trace).drop(columns="trial")
    table["instability"] = table["instability"].fillna("none: chosen")
    rule = search.recipe.rule
    choices = [_choice(search, trace, name) for name in search.recipe.experiments]
    notes = [
        f"unstable, after epoch {rule.after_epoch}: a loss is not finite; the discriminator's is below "
        f"{rule.won_below:g} in {rule.won_for} epochs in a row; the generator's is more than {rule.growth:g} times "
        f"that of epoch {rule.growth_since}. Adversarial losses, means over an epoch, seed {search.recipe.seed}",
        citation(search.recipe.paper),
        "its section 3.1 has the search in words, without a definition of instability and without a result",
    ]
    title = f"Search for FD, the feature differences of {find_paper(search.recipe.paper).short_name}"
    return study_page([("Trials", table)], [], title, notes, table, sentences=choices)


def _choice(search: Search, trace: Trace, experiment: str) -> str:
    own_trials = [trial for trial in trace if trial["experiment"] == experiment]
    stable = [trial["FD"] for trial in own_trials if trial["instability"] is None]
    if stable:
        return (
            f"{experiment}: FD {stable[0]}, the first without an instability; train with it by "
            f"--params {experiment}.overrides.feature_differences={stable[0]}"
        )
    return f"{experiment}: none of FD 1 to {len(own_trials)} was stable, the rule chooses nothing"


def draw(search: Search, trace: Trace, trials: ExperimentTrialStore) -> object:
    """A matplotlib Figure of both players' losses over epochs, one panel per trial."""
    from matplotlib.figure import Figure

    columns = max(1, max((trial["FD"] for trial in trace), default=1))
    rows = {name: place for place, name in enumerate(dict.fromkeys(trial["experiment"] for trial in trace))}
    figure = Figure(figsize=(3.2 * columns, 2.6 * max(1, len(rows))), layout="constrained")
    figure.suptitle("Search for FD: losses of every trial")
    for trial in trace:
        axes = figure.add_subplot(len(rows), columns, rows[trial["experiment"]] * columns + trial["FD"])
        result = trials.find(trial["trial"])
        for player in ("discriminator", "generator") if result is not None else ():
            assert result is not None
            line = player_losses(result, player, adversarial=True)
            axes.plot([epoch for epoch, _ in line], [loss for _, loss in line], label=player, linewidth=0.8)
        axes.axvspan(0, search.recipe.rule.after_epoch, color="0.92")
        axes.set_title(
            f"{trial['experiment']}, FD {trial['FD']}\n{trial['instability'] or 'stable'}", fontsize="xx-small"
        )
        axes.set_xlabel("epoch")
        axes.legend(fontsize="xx-small")
    return figure


def create_pipeline() -> Pipeline:
    """The search pipeline: trains with FD = 1, 2, ... of each experiment until training is stable."""
    recipe, stores = "params:recipe", ["image_library", "feature_cache", "model_library", "trials", "tracker"]
    nodes = [
        named_node(search, [recipe, *stores], ["trace", "chosen"]),
        named_node(tabulate, [recipe, "trace"], "page"),
        named_node(draw, [recipe, "trace", "trials"], "plot"),
    ]
    shared, parameters = {"image_library", "feature_cache", "model_library"}, {recipe: "params:fd_search"}
    return Pipeline(nodes, namespace="fd_search", inputs=shared, parameters=parameters, tags=["search"])
