"""The reproductions: published numbers next to measured ones, each under its own protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from kedro.pipeline import Pipeline

from papergan.config.checked import ModeStress, Reproductions
from papergan.config.dirac import DiracResult
from papergan.config.papers import citation, find_paper
from papergan.config.study import ExperimentTrial
from papergan.data.library import ImageLibrary
from papergan.datasets.feature_cache import FeatureCache
from papergan.datasets.page import Page
from papergan.datasets.trial_results import ExperimentTrialStore, ModeTrialStore
from papergan.evaluation.scorecard import ScoreCard
from papergan.inference.model_library import ModelLibrary
from papergan.metrics.parzen import parzen_anchors
from papergan.pipelines import dirac_gan
from papergan.pipelines.groups import named_node
from papergan.reporting.published_results import published_numbers
from papergan.reporting.reproductions import MeasuredRun, reproduction_table, reproductions, run_table, summary
from papergan.studies import figures
from papergan.studies.experiment_trials import ExperimentTrainer
from papergan.studies.measures import run_of_card, run_of_dirac, run_of_points
from papergan.studies.seed_groups import ExperimentGroup, grouped
from papergan.studies.tables import study_page
from papergan.studies.workers import train_all
from papergan.tracking import Tracker

POINTS = "pacgan_points"  # whose finished trials are read; they are trained by that tool's own command
ANCHOR_DATA, VALIDATION, METRIC = "mnist", 10_000, "parzen_ll_historical"
CONSOLE = ("paper", "number", "published", "measured", "seeds", "verdict", "minutes")


def train_reproductions(
    plan: Reproductions, image_library: ImageLibrary, feature_cache: FeatureCache, model_library: ModelLibrary,
    trials: ExperimentTrialStore,
    tracker: Tracker, score_cards: Mapping[str, ScoreCard],
) -> dict[str, str]:  # fmt: skip
    """Train every trial for which neither the store nor an experiment's own runs have a score card.

    Returns, by name and seed, the key under which each result is stored, or why the trial failed. Raises Interrupted
    after a stop signal; the same command continues from there.
    """
    wanted = [trial for trial in plan.trials if not any(_is_of(card, trial) for card in score_cards.values())]
    if plan.recipe.finished_only:
        wanted = [trial for trial in wanted if trials.find(trial.key) is not None]
    trainer = ExperimentTrainer(image_library, feature_cache, trials.checkpoints, model_library)
    failed = train_all(plan.recipe.workers, wanted, trainer, trials, tracker)
    return {f"{trial.name}, seed {trial.seed}": failed.get(trial.key, trial.key) for trial in wanted}


def measure_anchors(plan: Reproductions, image_library: ImageLibrary) -> dict[str, dict[str, float]]:
    """Published metrics of real images: the Parzen log-likelihood on MNIST; takes minutes.

    The bandwidth is chosen on the last 10 000 training images, which are in no sample.
    """
    images = image_library.load(ANCHOR_DATA)
    train, test = (one.images.flatten(1).float() / 255 for one in (images.train, images.test))
    scores = parzen_anchors(train[:-VALIDATION], train[-VALIDATION:], test, seed=0)
    return {
        name: {METRIC: score.mean, f"{METRIC}_error": score.error, "parzen_bandwidth": score.bandwidth}
        for name, score in scores.items()
    }


def tabulate(
    plan: Reproductions, trials: ExperimentTrialStore, finished: Mapping[str, str],
    score_cards: Mapping[str, ScoreCard], anchors: Mapping[str, Mapping[str, float]], dirac: Sequence[DiracResult],
    points: ModeStress, point_trials: ModeTrialStore, published: Mapping[str, Any],
) -> Page:  # fmt: skip
    """The page: a row per published number, with the measured one and a verdict.

    finished: trials of this pipeline. score_cards: of experiments that were run on their own; a run of the same recipe
    and seed counts once. points: the tool on points of the plane, whose finished trials count.
    """
    numbers = published_numbers(published)
    cards = chain(_of_trials(plan.trials, trials), score_cards.values())
    runs = _by_source(plan.trials, cards, dirac, anchors) | _of_points(points, point_trials)
    found = reproductions(numbers, runs)
    papers = {one.paper: find_paper(one.paper).short_name for one in numbers}
    table = reproduction_table(found, papers, {one.measured_by: _command(one.measured_by) for one in numbers})
    made_by = dict.fromkeys(run.made_by for one in found for run in one.runs if run.made_by)
    notes = [
        "measured: mean ± standard error over seeds; of a single run its own standard error where it has one. "
        "reproduced: within twice the joint standard error and the printed precision; inconclusive: so, but twice "
        "the error is more than half of the number; the error of a published number is its paper's; errors over few "
        "runs are widened as Student's distribution has it; by one seed: nothing says how far others would be from it",
        "minutes: of training a seed, on one core where nothing else is written",
        *made_by,
        *map(citation, papers),
    ]
    return study_page(
        [("Published numbers", table)], [], f"reproductions: {plan.recipe.description}", notes, run_table(found),
        sentences=[summary(found)], narrow=lambda table: table[[name for name in CONSOLE if name in table.columns]],
    )  # fmt: skip


def _of_trials(trials: Iterable[ExperimentTrial], store: ExperimentTrialStore) -> Iterator[ScoreCard]:
    for trial in trials:
        result = store.find(trial.key)
        if result is not None:
            yield result.card


def _by_source(
    trials: Sequence[ExperimentTrial], cards: Iterable[ScoreCard], dirac: Iterable[DiracResult],
    anchors: Mapping[str, Mapping[str, float]],
) -> dict[str, list[MeasuredRun]]:  # fmt: skip
    """Measured runs by experiment or tool; the first of a trial's cards counts."""
    mine: dict[str, tuple[str, ScoreCard]] = {}
    for card in cards:
        for trial in trials:
            if _is_of(card, trial):
                mine.setdefault(trial.key, (trial.experiment, card))
    found: dict[str, list[MeasuredRun]] = {}
    for experiment, card in mine.values():
        found.setdefault(experiment, []).append(run_of_card(card))
    for result in dirac:
        found[f"dirac_gan/{result.variant}"] = [run_of_dirac(result)]
    for name, values in anchors.items():
        errors = {key.removesuffix("_error"): value for key, value in values.items() if key.endswith("_error")}
        found[f"anchors/{name}"] = [MeasuredRun(0, values, errors, None, "")]
    return {name: sorted(runs, key=lambda run: run.seed) for name, runs in found.items()}


RULES = (
    "num_samples", "reference_split", "truncation", "quantisation", "parzen_samples", "parzen_validation",
    "parzen_bandwidths",
)  # fmt: skip
"""Rules of an evaluation that a number depends on."""


def _is_of(card: ScoreCard, trial: ExperimentTrial) -> bool:
    """Whether a card belongs to this trial: same recipe and seed, exactly the whole budget, and the same rules.

    A run that diverged belongs to it if it did so within the budget. One without a best likelihood does not, where the
    recipe keeps the likeliest generator.
    """
    recipe, steps = trial.recipe, card.steps
    if card.recipe_fingerprint != recipe.fingerprint:
        return False
    budget, rules = recipe.training, recipe.evaluation.rules(recipe.seed)
    rules = rules.within(rules.num_samples, rules.num_samples)
    wanted = next(
        total * steps / done if done else 1.0  # diverged at once
        for total, done in ((budget.steps, steps), (budget.images, card.images_seen), (budget.epochs, card.epochs))
        if total is not None
    )
    if card.ended_early is not None:
        return steps < wanted + 1.0
    if recipe.evaluation.parzen_while_training and card.best_likelihood is None:
        return False
    whole = abs(wanted - steps) < 1.0  # budgets in epochs and images are rounded to steps
    return whole and all(getattr(one, rule) == getattr(rules, rule) for one in card.protocols for rule in RULES)


def _of_points(points: ModeStress, store: ModeTrialStore) -> dict[str, list[MeasuredRun]]:
    found: dict[str, list[MeasuredRun]] = {}
    for trial in points.trials:
        result = store.find(trial.key)
        if result is not None:
            found.setdefault(f"{points.name}/{trial.name}", []).append(run_of_points(trial.seed, result))
    return found


def _command(measured_by: str) -> str:
    tool, _, variant = measured_by.partition("/")
    if tool == "anchors":
        return "kedro run --pipelines reproductions"
    if "/" in variant:  # one trial of a tool on points
        return f"kedro run --pipelines {tool} --params '{tool}.only=[{variant}],{tool}.seeds=[0]'"
    return f"kedro run --pipelines {tool}" + ("" if variant else f" --params {tool}.seed=0")


def draw_samples(plan: Reproductions, trials: ExperimentTrialStore, finished: Mapping[str, str]) -> object:
    """A matplotlib Figure of samples, one panel per experiment of which this pipeline has trained a seed."""
    return figures.samples(grouped(ExperimentGroup, plan.trials, trials), "reproductions: samples")


def create_pipeline() -> Pipeline:
    """The pipeline that trains what is missing, runs the tools whose numbers are in the table, and makes the table."""
    recipe, stores = "params:recipe", ["image_library", "feature_cache", "model_library"]
    trials = [recipe, "trials", "finished"]
    points, point_trials, results = f"params:{POINTS}", f"{POINTS}.trials", "dirac_gan.results"
    nodes = [
        named_node(train_reproductions, [recipe, *stores, "trials", "tracker", "score_cards"], "finished"),
        named_node(measure_anchors, [recipe, "image_library"], "anchors"),
        named_node(tabulate, [*trials, "score_cards", "anchors", results, points, point_trials, "published"], "page"),
        named_node(draw_samples, trials, "samples"),
    ]
    shared = {*stores, "score_cards", results, point_trials, "published"}
    parameters = {recipe: "params:reproductions", points: points}
    own = Pipeline(nodes, namespace="reproductions", inputs=shared, parameters=parameters, tags=["reproductions"])
    return own + dirac_gan.create_pipeline()
