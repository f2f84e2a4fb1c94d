"""Training of many trials one after another, each once and in its own MLflow run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from papergan.config.trials import Trial
from papergan.tracking import Tracker

logger = logging.getLogger(__name__)


T = TypeVar("T", bound=Trial)
R = TypeVar("R")


class ResultStore(Protocol[R]):
    """The protocol of a store of trial results, by key."""

    def find(self, key: str) -> R | None:
        """The result of a trial; None if it is not finished, or is damaged, which is logged."""
        ...

    def keep(self, key: str, result: R) -> None:
        """Store a result."""
        ...


def run_trials(
    trials: Iterable[T],
    train: Callable[[T, Tracker], R],
    store: ResultStore[R],
    tracker: Tracker,
    on_result: Callable[[T, R], None] = lambda trial, result: None,
    check: Callable[[T, R], None] = lambda trial, found: None,
) -> dict[str, R]:
    """Run every trial whose result is not in the store; returns all results by key.

    trials: the next one is taken when the result of the previous one is kept and passed to `on_result`, so it may be a
    generator that depends on results: a search, a sweep. train: from a trial to its result; if it is interrupted,
    nothing is kept, and the same call resumes there. tracker: of the study; each trial has a run inside it.
    check: raises if a stored result is based on other data than the trial reads now.
    """
    results: dict[str, R] = {}
    for trial in trials:
        if trial.key not in results:
            found = store.find(trial.key)
            logger.info("%s, seed %d: %s", trial.name, trial.seed, "now" if found is None else "finished already")
            if found is None:
                with tracker.nested(f"{trial.name}/seed {trial.seed}", trial.parameters, trial.tags) as nested:
                    found = train(trial, nested)
                store.keep(trial.key, found)
            else:
                check(trial, found)
            results[trial.key] = found
        on_result(trial, results[trial.key])
    return results
