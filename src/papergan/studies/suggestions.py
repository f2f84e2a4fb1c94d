"""The trials of a sweep: suggested by Optuna one by one, as a function of the sweep and the results so far.

Nothing is stored meanwhile: a sweep that resumes asks for its trials again and finds their results, so Optuna sees what
it saw before and makes the same suggestions. Every suggestion has a sampler with its own seed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from papergan.config.checked import Study, Sweep, TrialPlan
from papergan.config.experiment import Recipe
from papergan.config.study import ExperimentTrial, TrialResult
from papergan.config.sweep import Parameter, SweepSettings, Value, nested
from papergan.errors import EvaluationError
from papergan.randomness import seed_for
from papergan.systems import ADDED
from papergan.tracking.run_content import text_of
from papergan.training.history import Row
from papergan.validation import deep_merge, short_digest

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

logger = logging.getLogger(__name__)

GRID = "search"  # the grid of a sweep's trials, for their table
REDUCTION = 3  # of Hyperband and ASHA: one in this many trials continues


class SuggestedTrials:
    """Iterates over the trials of a sweep; the result of each is recorded before the next one is taken.

    study: Optuna's, with all trials so far.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.study = sweep, new_study(sweep)
        labels = sweep.search.labels
        self._space = {labels[name]: _distribution(values) for name, values in sweep.search.space.items()}
        self._running: Trial | None = None
        self._evaluations = 0  # of the running trial that were reported to Optuna
        self._seconds = 0.0  # of training, of all trials; of equal ones once

    def __iter__(self) -> Iterator[ExperimentTrial]:
        search = self.sweep.search
        for number in range(search.trials):
            if search.minutes is not None and self._seconds >= 60 * search.minutes:
                logger.info("%s: its minutes are used up after %d trials", self.sweep.name, number)
                break
            self.study.sampler = _sampler(search, number)
            self._running, self._evaluations = self.study.ask(self._space), 0
            yield suggested_trial(self.sweep, number, settings_of(search, self._running.params))
        yield from _winners(self.sweep, self.study)

    def prune(self, row: Row) -> str | None:
        """Why the running trial should end, given its newest evaluation; None = continue."""
        if self._running is None or self.sweep.search.pruner == "none":
            return None
        self._report(row)
        if not self._running.should_prune():
            return None
        place = f"pruned at evaluation {self._evaluations}, epoch {row['epoch']:g}"
        return f"{place}: {self.sweep.search.objective} {self._objective(row):.4g}"

    def record(self, trial: ExperimentTrial, result: TrialResult) -> None:
        """Record the result of the trial taken last, whether just trained or found.

        Raises EvaluationError if the objective is not among its scores.
        """
        if self._running is None:  # a winner with an additional seed
            return
        from optuna.trial import TrialState

        card = result.card
        before_its_end = result.history.metrics[: None if card.ended_early else -1]
        for row in before_its_end[self._evaluations :]:
            self.prune(row)
        running, self._running = self._running, None
        if all(one.user_attrs.get("trial") != trial.key for one in self.study.get_trials(deepcopy=False)):
            self._seconds += card.training_seconds
        running.set_user_attr("trial", trial.key)
        if card.ended_early:
            running.set_user_attr("ended early", card.ended_early)
            self.study.tell(running, state=TrialState.FAIL if card.diverged else TrialState.PRUNED)
        else:
            self.study.tell(running, self._objective(card.final))

    def _report(self, row: Row) -> None:
        assert self._running is not None
        self._evaluations += 1
        self._running.report(self._objective(row), self._evaluations)

    def _objective(self, scores: Mapping[str, float]) -> float:
        name = self.sweep.search.objective
        if name not in scores:
            measured = ", ".join(sorted(set(scores) - {"step", "epoch", "images"}))
            raise EvaluationError(f"{self.sweep.name}.search.objective: {name} is not measured; there is {measured}")
        return scores[name]


def new_study(sweep: Sweep) -> OptunaStudy:
    """Optuna's study without trials; the first suggestion is the recipe itself, if it lies in the space."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search, values = sweep.search, _own_values(sweep)
    study = optuna.create_study(direction=search.direction, pruner=_pruner(sweep), study_name=sweep.name)
    if all(search.space[name].contains(value) for name, value in values.items()):
        study.enqueue_trial({search.labels[name]: value for name, value in values.items()})
    return study


def _own_values(sweep: Sweep) -> dict[str, Any]:
    """The recipe's own values of the searched settings, those of the first trial if they lie in the space."""
    settings = ADDED | sweep.base.settings()  # with those that are off, which it leaves out
    tree = {"overrides": settings, "training": sweep.base.training.model_dump()}
    return {name: tree[name.partition(".")[0]].get(name.partition(".")[2]) for name in sweep.search.space}


def settings_of(search: SweepSettings, suggested: Mapping[str, Value]) -> dict[str, Value]:
    """Values by the dotted name of their setting. suggested: values by label, as in Optuna and tables."""
    return {name: suggested[label] for name, label in search.labels.items()}


def suggested_trial(sweep: Sweep, number: int, values: Mapping[str, Value], seed: int | None = None) -> ExperimentTrial:
    """A trial with these values. seed: None = the study's first seed, which the search uses.

    Raises RecipeError if the values do not fit together.
    """
    search, tree = sweep.search, deep_merge(sweep.base.model_dump(), nested(values))
    further = seed is not None and seed != sweep.base.seed
    recipe = Recipe.parse(f"{sweep.name}, trial {number}", tree | ({"seed": seed} if further else {}))
    levels = {"trial": str(number)} | {label: _shown(values[name]) for name, label in search.labels.items()}
    return ExperimentTrial(GRID, search.experiment, levels, recipe, False, "" if further else _pruning(sweep))


def _pruning(sweep: Sweep) -> str:
    """A digest of all that may end a trial early, "" where nothing does: also the first trial, the recipe's own."""
    return short_digest([sweep.search.pruning, _own_values(sweep)]) if sweep.search.pruning else ""


def with_trials(sweep: Sweep, study: OptunaStudy) -> Study:
    """The sweep as a study of the trials that Optuna suggested: the best first, then those that ended early."""
    trials = [*(finished := ranked(study)), *_ended_early(study, finished)]
    found = [suggested_trial(sweep, one.number, settings_of(sweep.search, one.params)) for one in trials]
    return TrialPlan(sweep.name, sweep.recipe, (*found, *_winners(sweep, study)))


def _winners(sweep: Sweep, study: OptunaStudy) -> Iterator[ExperimentTrial]:
    best = ranked(study)[: sweep.search.winners]
    for seed in sweep.recipe.seeds[1:]:
        for one in best:
            yield suggested_trial(sweep, one.number, settings_of(sweep.search, one.params), seed)


def ranked(study: OptunaStudy) -> list[FrozenTrial]:
    """Finished trials, the best first; only the first of equal suggestions."""
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    return _without_repetition(sorted(done, key=lambda trial: sign * (trial.value or 0.0)))


def _ended_early(study: OptunaStudy, others: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    found = study.get_trials(deepcopy=False, states=(TrialState.PRUNED, TrialState.FAIL))
    return _without_repetition([*others, *found])[len(others) :]


def _without_repetition(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    found: dict[str, FrozenTrial] = {}
    for trial in trials:
        found.setdefault(trial.user_attrs["trial"], trial)
    return list(found.values())


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.choice is not None:
        return CategoricalDistribution(parameter.choice)
    if parameter.integer is not None:
        return IntDistribution(*parameter.integer)
    low, high = parameter.values
    return FloatDistribution(low, high, log=parameter.log_uniform is not None)


def _sampler(search: SweepSettings, number: int) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    seed = seed_for(search.seed, "suggestion", number) % 2**32
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(n_startup_trials=search.startup_trials, seed=seed)


def _pruner(sweep: Sweep) -> BasePruner:
    from optuna import pruners

    search, first = sweep.search, sweep.search.warmup_evaluations + 1
    made: dict[str, Any] = {
        "none": pruners.NopPruner,
        "median": lambda: pruners.MedianPruner(search.startup_trials, n_warmup_steps=first),
        "hyperband": lambda: pruners.HyperbandPruner(first, sweep.evaluations + 1, REDUCTION),
        "asha": lambda: pruners.SuccessiveHalvingPruner(first, REDUCTION),
    }
    pruner: BasePruner = made[search.pruner]()
    return pruner


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else text_of(value)
