"""Workers on a Ray cluster: each trial is a task, in a process that is reused for the next one."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from importlib.util import find_spec
from typing import Any

from papergan.config.trials import Trial
from papergan.config.workers import WorkerSettings
from papergan.errors import PaperganError, RecipeError
from papergan.messages import sanitise
from papergan.studies.worker import Assignment, Outcome, TrialFailed, WorkerRefused, train_one

logger = logging.getLogger(__name__)

ROOM = 100_000  # trials given to Ray at once, if settings have no number: it queues them, and may add machines
PATIENCE_SECONDS = 5.0  # for an answer of the cluster's address
SAVE_SECONDS = 60.0  # for stopped trials to save


class RayError(PaperganError):
    """A Ray cluster cannot be reached, or the connection is lost."""


def check_ray(name: str, settings: WorkerSettings) -> None:
    """Raise RecipeError if Ray is not installed, RayError if nothing answers at the cluster's address."""
    if find_spec("ray") is None:
        raise RecipeError(f"{name}.workers.ray: Ray is not installed; pip install 'papergan[ray]'")
    host, _, port = (settings.ray or "").partition(":")
    if port:
        try:
            socket.create_connection((host, int(port)), PATIENCE_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise RayError(f"{name}.workers.ray: no Ray cluster at {settings.ray} ({error}); {_START}") from error


_START = "start one with `ray start --head --port PORT`, or leave workers.ray out"


# When the cluster is lost, Ray ends the process inside the call that notices, with status 1 and no message.
_LAST_WORD = """
import sys
if not sys.stdin.read():
    sys.stderr.write(sys.argv[1] + "\\n")
"""


class RayWorkers:
    """Tasks on a cluster. Ray retries those whose worker or machine dies; each resumes from its newest checkpoint."""

    def __init__(self, assignment: Assignment[Any, Any], settings: WorkerSettings) -> None:
        self.room = settings.jobs or ROOM
        self._ray, self._owner = _connected(settings)
        message = (
            f"papergan: the Ray cluster at {settings.ray} is lost, or this process was killed; the same command goes on"
        )
        self._last_word = subprocess.Popen(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-I", "-c", _LAST_WORD, message], stdin=subprocess.PIPE, start_new_session=True
        )
        remote = self._ray.remote(max_calls=0)(train_one)  # 0: a process with a GPU stays for the next trial as well
        self._task = remote.options(
            num_cpus=settings.cpus, num_gpus=settings.gpus, max_retries=settings.attempts - 1,
            retry_exceptions=[TrialFailed], name="trial",
        )  # fmt: skip
        self._attempts = settings.attempts
        self._assignment = self._ray.put(assignment)
        self._open: dict[Future[Outcome], Any] = {}  # references of tasks that have not ended
        self._warn_of_no_room(settings)

    def submit(self, trial: Trial, digest: str) -> Future[Outcome]:
        reference = self._task.remote(self._assignment, trial, digest)
        future: Future[Outcome] = Future()
        self._open[future] = reference

        def end(ended: Future[Outcome]) -> None:
            self._open.pop(future, None)
            error = ended.exception()
            if error is None:
                future.set_result(ended.result())
            else:
                future.set_exception(self._translated(error))

        reference.future().add_done_callback(end)
        return future

    def _translated(self, error: BaseException) -> BaseException:
        """Convert Ray's exception to one documented by `papergan.studies.workers.Workers`; bugs are unchanged."""
        errors = self._ray.exceptions
        cause = getattr(error, "cause", None)
        if isinstance(cause, TrialFailed):
            return TrialFailed(f"{self._attempts} times, the last: {cause}")
        if isinstance(cause, PaperganError):
            return cause
        if isinstance(error, errors.WorkerCrashedError | errors.NodeDiedError | errors.OutOfMemoryError):
            return TrialFailed(f"{self._attempts} times, the last: its worker or its machine died")
        if isinstance(cause, ImportError) or "ModuleNotFoundError" in str(error):
            return WorkerRefused(
                "a worker cannot import this project; install papergan, the same version, on every machine of the "
                f"cluster, for the Python that runs Ray there: {sanitise(str(cause or error).strip().splitlines()[-1])}"
            )
        return error

    def close(self, *, stop: bool) -> None:
        references = list(self._open.values()) if stop else []
        for reference in references:
            self._ray.cancel(reference)  # like Ctrl-C in the worker, which saves and ends
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=SAVE_SECONDS)
        self._last_word.communicate(b"not needed")
        if self._owner:
            self._ray.shutdown()

    def _warn_of_no_room(self, settings: WorkerSettings) -> None:
        wanted = {"CPU": settings.cpus, "GPU": settings.gpus}
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(all(has.get(kind, 0.0) >= number for kind, number in wanted.items()) for has in machines):
            logger.warning(
                "No machine of the Ray cluster has %g CPUs and %g GPUs; trials wait until one joins",
                settings.cpus, settings.gpus,
            )  # fmt: skip


def _connected(settings: WorkerSettings) -> tuple[Any, bool]:
    """The module ray, connected to the cluster, and whether it was connected here. Raises RayError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return ray, False
    here = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=settings.ray, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        first = sanitise(str(error).strip().partition("\n")[0])
        raise RayError(f"workers.ray: no Ray cluster at {settings.ray!r} ({first}); {_START}") from error
    finally:
        if here:  # Ray installs its own, with another exit status
            signal.signal(signal.SIGTERM, handler)
    return ray, True
