"""Training of several trials in parallel: the interface of workers, and the loop that submits trials to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex
from typing import Protocol, TypeVar

from papergan.config.trials import Trial
from papergan.config.workers import WorkerSettings
from papergan.distributed import is_distributed
from papergan.errors import RecipeError
from papergan.remote_copy import RemoteCopy
from papergan.studies.local_workers import LocalWorkers
from papergan.studies.runner import ResultStore, run_trials
from papergan.studies.worker import FAILED, Assignment, Outcome, TrialFailed, TrialTrainer, loaded_torch, replay_calls
from papergan.tracking import Tracker

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Trial)
T_in = TypeVar("T_in", bound=Trial, contravariant=True)
R = TypeVar("R")


class Workers(Protocol[T_in]):
    """Processes that train trials, each from its newest checkpoint. room: how many may be submitted at once."""

    @property
    def room(self) -> int: ...

    def submit(self, trial: T_in, digest: str) -> Future[Outcome]:
        """Train a trial, and keep its result. digest: of its images.

        The future raises TrialFailed if the trial failed as often as the settings allow, WorkerRefused if no trial can
        be trained; bugs and a full disk raise as they are.
        """
        ...

    def close(self, *, stop: bool) -> None:
        """End the processes; with `stop`, those that train save a checkpoint and end now."""
        ...


class Store(ResultStore[R], Protocol[R]):
    """The protocol of a store of results as files below `folder`. remote: where these are copied to, or None."""

    folder: Path
    remote: RemoteCopy | None


def train_all(
    settings: WorkerSettings, trials: Iterable[T], trainer: TrialTrainer[T, R], store: Store[R], tracker: Tracker
) -> dict[str, str]:
    """Train every trial whose result is not in the store, on workers or in this process as configured.

    trainer: workers have copies of it. Returns, by key, why trials failed; only workers return such failures, since
    without them an error ends the study.
    """
    if settings.none:
        run_trials(trials, trainer, store, tracker, check=trainer.check)
        return {}
    with _assignment(settings, trainer, store) as assignment, _opened(settings, assignment) as workers:
        return run_on(workers, trials, trainer.data_digest, store, tracker, trainer.check)


@contextmanager
def _assignment(settings: WorkerSettings, trainer: TrialTrainer[T, R], store: Store[R]) -> Iterator[Assignment[T, R]]:
    here = 1 if (torch := loaded_torch()) is None else torch.get_num_threads()
    threads = settings.cpus if settings.ray else here // (settings.jobs or 1)
    token = token_hex(8)  # in the name too: another head may run the same study
    note = store.folder / f".head-{token}"
    assignment = Assignment(trainer, store, max(1, int(threads)), note, store.remote, token)
    assignment.publish()
    try:
        yield assignment
    finally:
        assignment.withdraw()


@contextmanager
def _opened(settings: WorkerSettings, assignment: Assignment[T, R]) -> Iterator[Workers[T]]:
    if settings.ray is None:
        workers: Workers[T] = LocalWorkers(assignment, settings.jobs or 1, settings.attempts)
    else:
        from papergan.studies.ray_workers import RayWorkers  # an optional extra

        workers = RayWorkers(assignment, settings)
    try:
        yield workers
    except BaseException:
        workers.close(stop=True)
        raise
    workers.close(stop=False)


def run_on(
    workers: Workers[T], trials: Iterable[T], digest: Callable[[T], str], store: Store[R], tracker: Tracker,
    check: Callable[[T, R], None] = lambda trial, found: None,
) -> dict[str, str]:  # fmt: skip
    """Have workers train every trial whose result is not in the store, in any order. Returns why some failed, by key.

    check: as for `run_trials`.

    Only this process reports to the tracker, for each trial when it has ended. Errors that end all trials are raised.
    """
    ended: SimpleQueue[tuple[T, Future[Outcome]]] = SimpleQueue()
    failed: dict[str, str] = {}
    rest, running = _wanted(trials, store, check), 0
    while True:
        while running < workers.room and (trial := next(rest, None)) is not None:
            workers.submit(trial, digest(trial)).add_done_callback(partial(_note, ended, trial))
            running += 1
        if not running:
            return failed
        trial, future = ended.get()
        running -= 1
        try:
            _log(trial, future.result(), tracker)
        except TrialFailed as error:
            failed[trial.key] = f"{FAILED} {error}"
            logger.error("%s, seed %d: %s", trial.name, trial.seed, failed[trial.key])


def _note(ended: SimpleQueue[tuple[T, Future[Outcome]]], trial: T, future: Future[Outcome]) -> None:
    ended.put((trial, future))


def _wanted(trials: Iterable[T], store: Store[R], check: Callable[[T, R], None]) -> Iterator[T]:
    """Trials without a result, each once."""
    seen: set[str] = set()
    for trial in trials:
        if trial.key in seen:
            continue
        seen.add(trial.key)
        found = store.find(trial.key)
        state = "handed to a worker" if found is None else "finished already"
        logger.info("%s, seed %d: %s", trial.name, trial.seed, state)
        if found is None:
            yield trial
        else:
            check(trial, found)


def _log(trial: T, outcome: Outcome, tracker: Tracker) -> None:
    name = f"{trial.name}/seed {trial.seed}"
    if outcome.calls:
        with tracker.nested(name, trial.parameters, trial.tags, began=outcome.began) as nested:
            replay_calls(outcome.calls, nested)
    logger.info("%s, seed %d: finished", trial.name, trial.seed)


def check_workers(name: str, settings: WorkerSettings) -> None:
    """Raise RecipeError if trials cannot be trained with these settings; called before anything runs."""
    if settings.none:
        return
    if is_distributed():
        raise RecipeError(f"{name}.workers: start the command without torchrun; each trial is trained by one process")
    if settings.ray is not None:
        from papergan.studies.ray_workers import check_ray

        check_ray(name, settings)
