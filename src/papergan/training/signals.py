"""Handling of SIGINT and SIGTERM: a flag that is read between training steps or evaluation batches."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from papergan.errors import EvaluationStopped, Interrupted


class StopRequest:
    """The signal handler; calling it returns the number of the stop signal, or None. A second signal stops at once.

    Not in a worker process: a scheduler that signals every process of a command sends it one, and the head another.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> int | None:
        return self.signal_number

    def requested(self) -> bool:
        """Whether a stop signal was received; for `should_stop`."""
        return self.signal_number is not None

    @contextmanager
    def installed(self) -> Iterator[StopRequest]:
        """Handle SIGINT and SIGTERM inside the block; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        if multiprocessing.parent_process() is None:  # a worker that must end at once is killed by its head
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def stoppable(work: str) -> Iterator[StopRequest]:
    """Raise Interrupted after a stop signal: between batches inside the block, or at its end.

    work: name of the work, for the message.
    """
    with StopRequest().installed() as stop:
        try:
            yield stop
        except EvaluationStopped:
            if stop() is None:
                raise
        if (number := stop()) is not None:  # also if the work ended before it checked
            raise Interrupted(number, f"stopped by signal {number} in {work}; run again to go on from there")
