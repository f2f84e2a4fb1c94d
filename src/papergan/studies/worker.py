"""The work of a worker process: train one trial, store its result, return its calls to the tracker.

Does not import torch itself; the code that trains does.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from papergan.atomic_files import read_regular, sha256_of, write_whole
from papergan.config.trials import Trial
from papergan.errors import CheckpointError, Interrupted, PaperganError, StorageError
from papergan.messages import sanitise
from papergan.remote_copy import RemoteCopy
from papergan.studies.runner import ResultStore
from papergan.tracking import Tracker
from papergan.validation import one_line_error

if TYPE_CHECKING:
    from papergan.evaluation.scorecard import ScoreCard
    from papergan.reporting.image_grid import ImageGrid

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=Trial, contravariant=True)
R = TypeVar("R", covariant=True)
Call = tuple[str, tuple[Any, ...]]
HELD_SECONDS = 2.0  # wait before a trial held by another process counts as failed: that process may be about to end
VERSIONS = ("torch", "numpy")  # that results depend on, besides Python and this project's code

FAILED = "failed"  # how the text about a trial without a result begins
at_work = Lock()  # held by a worker's process while it trains


class TrialFailed(PaperganError):
    """A trial could not be trained; it may be retried."""


def failures(finished: Mapping[str, str]) -> dict[str, str]:
    """The failed trials, with the reason. finished: by trial of a study, where its result is kept."""
    return {name: why for name, why in finished.items() if why.startswith(FAILED)}


def loaded_torch() -> Any:
    """The module torch if the training code has imported it; else None."""
    return sys.modules.get("torch")


class WorkerRefused(PaperganError):
    """A worker differs from the head: other code, other data, another disk. It trains nothing."""


class TrialTrainer(Protocol[T, R]):
    """The protocol of a callable that trains trials."""

    def __call__(self, trial: T, tracker: Tracker) -> R:
        """Train a trial."""
        ...

    def data_digest(self, trial: T) -> str:
        """The digest of the images that a trial trains on; "" if it reads none."""
        ...

    def check(self, trial: T, found: Any) -> None:
        """Raise CheckpointError if a stored result is based on other data than the trial reads now."""
        ...


class Recorder(Tracker):
    """Records what a trial reports, for the one process that writes to MLflow."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def report(self, row: Mapping[str, float]) -> None:
        self.calls.append(("report", (dict(row),)))

    def replay(self, rows: Iterable[Mapping[str, float]]) -> None:
        self.calls.append(("replay", ([dict(row) for row in rows],)))

    def picture(self, grid: ImageGrid, step: int) -> None:
        self.calls.append(("picture", (grid, step)))

    def scores(self, card: ScoreCard) -> None:
        self.calls.append(("scores", (card,)))


def replay_calls(calls: Iterable[Call], tracker: Tracker) -> None:
    """Make the recorded calls to a tracker."""
    for name, arguments in calls:
        getattr(tracker, name)(*arguments)


@cache
def code_digest() -> str:
    """The SHA-256 of this package's source files, as they were at the first call in this process."""
    root, digest = Path(__file__).parents[1], sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on, found without importing them."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONS}}


@dataclass(frozen=True)
class Outcome:
    """What a worker returns for a trial whose result is kept. began: seconds since the epoch."""

    began: float
    calls: list[Call]


@dataclass(frozen=True)
class Assignment(Generic[T, R]):
    """The data that every worker of a study gets. trainer: pickled; each worker uses one. threads: per trial.

    note: a file written by this head only, with `token` in it. remote: where the note and all results are copied to.
    variables: of the head's environment, for those that a worker's own lacks.
    """

    trainer: TrialTrainer[T, R]
    store: ResultStore[R]
    threads: int
    note: Path
    remote: RemoteCopy | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    code: str = field(default_factory=code_digest)
    packages: Mapping[str, str] = field(default_factory=package_versions)
    variables: Mapping[str, str] = field(
        default_factory=lambda: {name: value for name, value in os.environ.items() if name.startswith("PAPERGAN_")}
    )

    def publish(self) -> None:
        """Write the note by which workers recognise the head's disk, or the storage that it is copied to."""
        write_whole(self.note, self.token.encode())
        if self.remote is not None:
            self.remote.send(self.note)

    def withdraw(self) -> None:
        """Remove the note."""
        with suppress(OSError, StorageError):
            self.note.unlink(missing_ok=True)
            if self.remote is not None:
                self.remote.remove(self.note)


def train_one(assignment: Assignment[T, R], trial: T, digest: str) -> Outcome:
    """Train a trial in this process and keep its result, unless it is there by now.

    digest: of its images, as the head sees them. A result that was there has no calls.
    Raises WorkerRefused, TrialFailed.
    """
    began = time.time()
    with at_work:
        _show_log(f"{trial.name}, seed {trial.seed}")
        trainer, recorder = _trainer(assignment), Recorder()
        try:
            if (found := trainer.data_digest(trial)) != digest:
                raise WorkerRefused(
                    f"the worker on {socket.gethostname()} has other images for {trial.name} ({found[:12]}) than the "
                    f"head ({digest[:12]}); give both the same data"
                )
            if (result := assignment.store.find(trial.key)) is None:
                result = trainer(trial, recorder)
            else:  # of a worker that died before it could say so, or of another head
                trainer.check(trial, result)
            assignment.store.keep(trial.key, result)  # also in that case: it may have died before its last line
        except (WorkerRefused, StorageError):
            raise
        except Interrupted as stop:
            raise TrialFailed(str(stop)) from None
        except Exception as error:
            time.sleep(HELD_SECONDS if isinstance(error, CheckpointError) else 0.0)
            if not isinstance(error, PaperganError):
                logger.exception("%s, seed %d", trial.name, trial.seed)
            kind = "" if isinstance(error, PaperganError) else f"{type(error).__name__}: "
            raise TrialFailed(sanitise(f"{kind}{one_line_error(error)}")) from None
    return Outcome(began, recorder.calls)


_trainers: dict[str, Any] = {}  # by the token of their assignment: at most one, with the images it has loaded


def _trainer(assignment: Assignment[T, R]) -> TrialTrainer[T, R]:
    if assignment.token not in _trainers:
        _check(assignment)
        for name, value in assignment.variables.items():
            os.environ.setdefault(name, value)
        _trainers.clear()
        _trainers[assignment.token] = assignment.trainer
        if (torch := loaded_torch()) is not None:
            torch.set_num_threads(assignment.threads)
    trainer: TrialTrainer[T, R] = _trainers[assignment.token]
    return trainer


def _check(assignment: Assignment[T, R]) -> None:
    """Raise WorkerRefused if this process has other code or packages than the head, or does not see its disk."""
    here = f"the worker on {socket.gethostname()}"
    if (found := code_digest()) != assignment.code:
        raise WorkerRefused(
            f"{here} has other code ({found[:12]}) than the head ({assignment.code[:12]}); install the same version of "
            "papergan on all machines, and leave its files alone while a study runs"
        )
    if (packages := package_versions()) != assignment.packages:
        differ = ", ".join(
            f"{name} {packages[name]} for {one}" for name, one in assignment.packages.items() if packages[name] != one
        )
        raise WorkerRefused(f"{here} has other versions than the head: {differ}; install the same on all machines")
    if assignment.remote is not None:
        assignment.remote.fetch(assignment.note)
    try:
        found = read_regular(assignment.note, most=100).decode()
    except (OSError, ValueError):
        found = ""
    if found != assignment.token:
        raise WorkerRefused(
            f"{here} does not see the workspace of the head, {assignment.note.parent}: put it on a disk that all "
            "machines share under the same path (PAPERGAN_WORKSPACE)"
        )


_console = logging.StreamHandler(sys.stdout)


def _show_log(about: str) -> None:
    """Show the log of a worker, with the name of its trial on each line."""
    _console.setFormatter(logging.Formatter(f"%(asctime)s {about.replace('%', '%%')}: %(message)s", "%H:%M:%S"))
    package = logging.getLogger("papergan")
    if _console not in package.handlers:
        package.addHandler(_console)
        package.setLevel(logging.INFO)
        package.propagate = False
