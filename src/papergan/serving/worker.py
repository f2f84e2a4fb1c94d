"""One thread for torch, with a bounded queue and a time limit for each task."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Check = Callable[[], None]


class Busy(Exception):
    """The queue is full, or a task took too long; one line for the client."""


class Worker:
    """Runs one task after the other. waiting: how many may wait; seconds: for each, its wait included."""

    def __init__(self, waiting: int, seconds: float) -> None:
        self.waiting, self.seconds = waiting, seconds
        self._places = threading.BoundedSemaphore(1 + waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="torch")

    async def run(self, work: Callable[[Check], T]) -> T:
        """Return the result of `work`. It must call its argument regularly, which raises Busy once the time is over.

        Raises Busy if no place is free, and at the time limit; a task that has begun keeps its place until it ends.
        """
        if not self._places.acquire(blocking=False):
            raise Busy(f"busy: {self.waiting} requests are waiting already; try again in a moment")
        try:
            future = self._thread.submit(work, self._check(time.monotonic() + self.seconds))
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.seconds)
        except TimeoutError:
            raise self._too_late() from None

    def close(self) -> None:
        """Drop the waiting tasks, and let the running one finish."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _check(self, deadline: float) -> Check:
        def check() -> None:
            if time.monotonic() > deadline:
                raise self._too_late()

        return check

    def _too_late(self) -> Busy:
        return Busy(f"not done within {self.seconds:g} seconds; ask for less, or try again in a moment")
