"""Worker processes on this machine, one for each trial trained at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from papergan.config.trials import Trial
from papergan.studies.worker import Assignment, Outcome, TrialFailed, at_work, loaded_torch, train_one

DIED = "its process died: killed, or out of memory"


class LocalWorkers:
    """`jobs` processes, started when there is work and reused for one trial after another.

    Each has its own executor, so if one dies, no other trial is affected: its trial is retried from its newest
    checkpoint in a new process. With several GPUs, each process sees one of them, assigned in turn.
    """

    def __init__(self, assignment: Assignment[Any, Any], jobs: int, attempts: int) -> None:
        self.assignment, self.attempts, self.room = assignment, attempts, jobs
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="worker")  # one waits for each process
        self._slots: SimpleQueue[_Slot] = SimpleQueue()
        gpus = _gpus()
        self._all = [_Slot(gpus[place % len(gpus)] if gpus else None) for place in range(jobs)]
        for slot in self._all:
            self._slots.put(slot)

    def submit(self, trial: Trial, digest: str) -> Future[Outcome]:
        return self._threads.submit(self._train, trial, digest)

    def _train(self, trial: Trial, digest: str) -> Outcome:
        slot = self._slots.get()  # one is free, since there are as many slots as threads
        reason = ""
        try:
            for _ in range(self.attempts):
                try:
                    return slot.run(self.assignment, trial, digest)
                except BrokenProcessPool:
                    reason = DIED
                except TrialFailed as error:
                    reason = str(error)
                if slot.closed:
                    break
        finally:
            self._slots.put(slot)
        raise TrialFailed(f"{self.attempts} times, the last: {reason}")

    def close(self, *, stop: bool) -> None:
        self._threads.shutdown(wait=False, cancel_futures=stop)
        try:
            for slot in self._all if stop else ():
                slot.end(signal.SIGTERM)
            self._threads.shutdown()
        except BaseException:  # a second signal
            for slot in self._all:
                slot.end(signal.SIGKILL)
            raise
        finally:
            for slot in self._all:
                slot.shut()


class _Slot:
    """A slot for one process; one that died is replaced at the next run. gpu: the one it sees, None = all."""

    def __init__(self, gpu: str | None) -> None:
        self.gpu, self.closed = gpu, False
        self._pool: ProcessPoolExecutor | None = None
        self._pid: int | None = None

    def run(self, assignment: Assignment[Any, Any], trial: Trial, digest: str) -> Outcome:
        try:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self.gpu,))
                self._pid = self._pool.submit(os.getpid).result()
            if self.closed:  # before its process id was known
                raise TrialFailed("stopped")
            return self._pool.submit(train_one, assignment, trial, digest).result()
        except BrokenProcessPool:
            self.shut()
            raise

    def end(self, number: int) -> None:
        """Send the process a signal; nothing more is trained in this slot."""
        self.closed = True
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def shut(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
        self._pool = self._pid = None


def _gpus() -> list[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES names them, if there are several."""
    if (torch := loaded_torch()) is None:
        return []
    count = torch.cuda.device_count()  # asks the driver without initialising CUDA
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [] if count < 2 else given.split(",")[:count] if given else [str(number) for number in range(count)]


def _prepare(gpu: str | None) -> None:
    """Set up a new process, which ignores Ctrl-C, ends with the process that started it, and sees its own GPU."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu


def _end_with_parent() -> None:
    """Stop as after SIGTERM, with a checkpoint, once the parent is gone; an executor's processes would wait for it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    with at_work:
        os._exit(1)
