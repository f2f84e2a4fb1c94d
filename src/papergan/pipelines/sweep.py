"""A sweep: trials that Optuna suggests, with the tables and figures of a study, and Optuna's.

optuna_study: an `optuna.Study`; not annotated so, as Kedro reads annotations and optuna is an extra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from kedro.pipeline import Pipeline

from papergan.config.checked import Study, Sweep
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import ExperimentTrialStore
from papergan.inference.model_library import ModelLibrary
from papergan.pipelines import study as of_study
from papergan.pipelines.groups import named_node
from papergan.reporting.pages import plus_minus, text
from papergan.reporting.seed_groups import mean_over
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.runner import run_trials
from papergan.studies.suggestions import SuggestedTrials, ranked, settings_of, suggested_trial, with_trials
from papergan.studies.sweep_figures import FIGURES, page
from papergan.tracking import Tracker
from papergan.tracking.run_content import text_of
from papergan.validation import flattened

DRAWN = 12  # number of best trials that have a panel in pictures


def run_sweep(
    sweep: Sweep, image_library: ImageLibrary, feature_cache: FeatureCache, model_library: ModelLibrary,
    trials: ExperimentTrialStore,
    tracker: Tracker,
) -> tuple[dict[str, str], dict[str, list[int]], Any]:  # fmt: skip
    """Run the trials that Optuna suggests, then the winners with further seeds; finished ones are reused.

    Returns what `run_study` returns, and Optuna's study. Raises Interrupted after a stop signal; the same command
    continues from there.
    """
    suggestions = SuggestedTrials(sweep)
    trainer = ExperimentTrainer(image_library, feature_cache, trials.checkpoints, model_library)
    train = partial(trainer, prune=suggestions.prune)
    run_trials(suggestions, train, trials, tracker, suggestions.record, trainer.check)
    return *of_study.where_kept(with_trials(sweep, suggestions.study).trials, trainer), suggestions.study


def tabulate(
    sweep: Sweep, trials: ExperimentTrialStore, optuna_study: Any, published: Mapping[str, Any],
    pros_and_cons: Mapping[str, Any],
) -> Page:  # fmt: skip
    """The page of the sweep, like a study's; the best trials first, and how to train with their settings."""
    sentences = [*_sentences(sweep, trials, optuna_study)]
    study = with_trials(sweep, optuna_study)
    return of_study.tabulate(study, trials, {}, published, pros_and_cons, sentences)


def _sentences(sweep: Sweep, trials: ExperimentTrialStore, optuna_study: Any) -> Iterator[str]:
    """The scores of each winner, and the settings to train it with; of the best trial where there is no winner.

    The settings are its own and those of training that all trials have in common, their budget too.
    """
    search, common = sweep.search, dict(flattened("", sweep.recipe.common))
    common = {name: value for name, value in common.items() if not name.startswith("evaluation.")}
    for one in ranked(optuna_study)[: max(1, search.winners)]:
        settings = settings_of(search, one.params)
        keys = {seed: suggested_trial(sweep, one.number, settings, seed).key for seed in sweep.recipe.seeds}
        found = {seed: result.card for seed, key in keys.items() if (result := trials.find(key)) is not None}
        scores = {seed: card.final.get(search.objective) for seed, card in found.items()}
        wanted = {f"{search.experiment}.{name}": value for name, value in (common | settings).items()}
        lists = {name: value for name, value in wanted.items() if "," in text_of(value)}  # --params is split at commas
        given = ",".join(f"{name}={text_of(value)}" for name, value in wanted.items() if name not in lists)
        more = "".join(f", and {name}: {text_of(value)} in a file of conf/local" for name, value in lists.items())
        yield (
            f"trial {one.number}: {search.objective} {_over_seeds(scores, sweep.base.seed)}; "
            f'train with it by --params "{given}"{more}'
        )


def _over_seeds(scores: Mapping[int, float | None], chose: int) -> str:
    """The mean over the further seeds, and the score with the seed that chose the trial. None: it diverged."""
    further = {seed: score for seed, score in scores.items() if seed != chose}
    by_choice = f"{text(scores.get(chose))} with seed {chose}, by which alone it was chosen, whose number flatters"
    if not further:
        return by_choice
    done, mean = [seed for seed, score in further.items() if score is not None], mean_over(further.values())
    parts = [] if mean is None else [f"{plus_minus(mean.value, mean.deviation)}, seeds {', '.join(map(str, done))}"]
    parts += [f"diverged with seed {seed}" for seed in further if seed not in done]
    return "; ".join([*parts, by_choice])


def draw_sweep(sweep: Sweep, optuna_study: Any) -> tuple[object, ...]:
    """Optuna's figures, in the order of FIGURES, and an HTML page of all of them."""
    drawn = {name: draw(sweep, optuna_study) for name, draw in FIGURES.items()}
    return *drawn.values(), page(f"{sweep.name}: {sweep.recipe.description}", drawn)


def drawing(name: str) -> Callable[[Sweep, ExperimentTrialStore, Any], object]:
    """The node that draws one of a study's figures of the best trials."""
    draw_study = of_study.drawing(name)

    def draw(sweep: Sweep, trials: ExperimentTrialStore, optuna_study: Any) -> object:
        study = with_trials(sweep, optuna_study)
        names = [*dict.fromkeys(trial.name for trial in study.trials)][:DRAWN]
        shown: Study = study._replace(trials=tuple(trial for trial in study.trials if trial.name in names))
        return draw_study(shown, trials, {})

    draw.__name__ = f"draw_{name}"
    return draw


def create_pipeline(study: str) -> Pipeline:
    """The pipeline of one study that has a search, which runs its trials itself."""
    recipe, stores = "params:recipe", ["image_library", "feature_cache", "model_library"]
    inputs = [recipe, "trials", "optuna_study"]
    nodes = [
        named_node(run_sweep, [recipe, *stores, "trials", "tracker"], ["finished", "subsets", "optuna_study"]),
        named_node(tabulate, [*inputs, "published", "pros_and_cons"], "study_table"),
        named_node(draw_sweep, [recipe, "optuna_study"], [*FIGURES, "sweep_page"]),
        *(named_node(drawing(name), inputs, f"study_{name}") for name in of_study.FIGURES),
    ]
    shared, parameters = {*stores, "published", "pros_and_cons"}, {recipe: f"params:{study}"}
    return Pipeline(nodes, namespace=study, inputs=shared, parameters=parameters, tags=["study"])
